"""Frames go on in a tab that nobody sees, where browsers stop pictures and let a page's timers run once a second."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.conftest import SWITCHES
from tests.browser.tabs import Browser, Tab, run_browser
from tests.browser.visitor import COUNT_FRAMES
from tests.e2e.server import RunningServer
from tests.media_files import media_folder

pytestmark = [pytest.mark.photo, pytest.mark.model]

FRAMES = 40
MOST_TICKS = 25
"""What a hidden page's own timer may tick while so many frames go: at its pace of one a second there would be 40."""

WITHOUT_TRACKS = "delete window.MediaStreamTrackProcessor;"
_PRESS = "[...document.querySelectorAll('button')].find((one) => one.textContent === 'Start camera').click()"
TICK = "(() => { window.ticks = 0; const tick = () => setTimeout(tick, 10, window.ticks++); tick(); })()"


@pytest.fixture(scope="module")
def tabs(chromium: str, camera_file: Path) -> Iterator[Browser]:
    with run_browser(chromium, [*SWITCHES, f"--use-file-for-fake-video-capture={camera_file}"]) as browser:
        yield browser


def open_camera(tabs: Browser, server: RunningServer, script: str = "") -> Tab:
    tab = tabs.tab(COUNT_FRAMES + script)
    tab.open(f"{server.url}/#camera")
    tab.until("document.querySelectorAll('[aria-label=Task] option').length > 3")
    return tab


def frames_go_on_when_hidden(tabs: Browser, tab: Tab) -> None:
    tab.until("window.framesSent > 5 && document.querySelector('.findings li') !== null")
    tabs.tab().show()
    tab.until("document.visibilityState === 'hidden'")
    tab.evaluate(TICK)
    began = tab.evaluate("window.framesSent")

    tab.until(f"window.framesSent >= {began + FRAMES}", 120)

    ticks = tab.evaluate("window.ticks")
    assert tab.evaluate("document.visibilityState") == "hidden"
    assert ticks <= MOST_TICKS, f"{FRAMES} frames in {ticks} ticks"


@pytest.mark.parametrize("script", ["", WITHOUT_TRACKS], ids=["a track in a worker", "a video and a worker's timer"])
def test_the_camera_goes_on_in_a_hidden_tab(tabs: Browser, server: RunningServer, script: str) -> None:
    tab = open_camera(tabs, server, script)

    tab.evaluate(_PRESS)

    frames_go_on_when_hidden(tabs, tab)


def test_pictures_that_come_while_it_is_hidden_are_new(tabs: Browser, server: RunningServer) -> None:
    tab = open_camera(tabs, server, _SIZES)
    tab.evaluate(_PRESS)

    frames_go_on_when_hidden(tabs, tab)

    assert tab.evaluate("window.hiddenSizes.size") > FRAMES / 4  # the same picture again has the same bytes


def test_a_video_file_goes_on_in_a_hidden_tab(tabs: Browser, server: RunningServer) -> None:
    tab = open_camera(tabs, server)

    tab.choose("[aria-label='Choose a video'], input[type=file]", media_folder() / "hand_202_frames.mp4")

    frames_go_on_when_hidden(tabs, tab)


def test_when_it_is_seen_again_the_camera_is_still_live(tabs: Browser, server: RunningServer) -> None:
    tab = open_camera(tabs, server)
    tab.evaluate(_PRESS)
    frames_go_on_when_hidden(tabs, tab)

    tab.show()

    tab.until("document.visibilityState === 'visible'")
    tab.until(
        "document.querySelector('.stage[data-stale]') === null && document.querySelector('.findings li') !== null"
    )


_SIZES = """
window.hiddenSizes = new Set();
const sendAlso = WebSocket.prototype.send;
WebSocket.prototype.send = function (data) {
  if (data instanceof Blob && document.hidden) window.hiddenSizes.add(data.size);
  sendAlso.call(this, data);
};
"""
