"""Frames go on in a tab that nobody sees, where browsers stop pictures and let a page's timers run once a second."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

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
_SIZES = """
window.hiddenSizes = new Set();
const sendAlso = WebSocket.prototype.send;
WebSocket.prototype.send = function (data) {
  if (data instanceof Blob && document.hidden) window.hiddenSizes.add(data.size);
  sendAlso.call(this, data);
};
"""
_PRESS = "[...document.querySelectorAll('button')].find((one) => one.textContent === 'Start camera').click()"
TICK = "(() => { window.ticks = 0; const tick = () => setTimeout(tick, 10, window.ticks++); tick(); })()"


class Seen(Protocol):
    """A tab of a browser."""

    def evaluate(self, expression: str) -> Any: ...
    def until(self, expression: str, seconds: float = 60) -> None: ...


@pytest.fixture(scope="module")
def tabs(chromium: str, camera_file: Path) -> Iterator[Browser]:
    with run_browser(chromium, [*SWITCHES, f"--use-file-for-fake-video-capture={camera_file}"]) as browser:
        yield browser


@pytest.fixture
def camera(tabs: Browser, server: RunningServer, request: pytest.FixtureRequest) -> Iterator[Tab]:
    """The camera's view in a tab of its own; a parameter is a script that runs in it first."""
    tab = tabs.tab(COUNT_FRAMES + getattr(request, "param", ""))
    tab.open(f"{server.url}/#camera")
    tab.until("document.querySelectorAll('[aria-label=Task] option').length > 3")
    yield tab
    tab.close()


def frames_go_on_when_hidden(tabs: Browser, tab: Tab) -> None:
    tab.until("window.framesSent > 5 && document.querySelector('.findings li') !== null")
    most_ticks = max(MOST_TICKS, int(1.5 * seconds_of_frames(tab)))
    other = tabs.tab()
    other.show()
    tab.until("document.visibilityState === 'hidden'")
    tab.evaluate(TICK)
    began = tab.evaluate("window.framesSent")

    tab.until(f"window.framesSent >= {began + FRAMES}", 120)

    ticks = tab.evaluate("window.ticks")
    assert tab.evaluate("document.visibilityState") == "hidden"
    assert ticks <= most_ticks, f"{FRAMES} frames in {ticks} ticks"
    other.close()


def seconds_of_frames(tab: Seen) -> float:
    """Return how long `FRAMES` take in a tab that is seen: on a busy machine, the service is what takes long."""
    sent, began = tab.evaluate("window.framesSent"), time.monotonic()
    tab.until(f"window.framesSent >= {sent} + {FRAMES}", 120)
    return time.monotonic() - began


@pytest.mark.parametrize(
    "camera", ["", WITHOUT_TRACKS], indirect=True, ids=["a track in a worker", "a video and a worker's timer"]
)
def test_the_camera_goes_on_in_a_hidden_tab(tabs: Browser, camera: Tab) -> None:
    camera.evaluate(_PRESS)

    frames_go_on_when_hidden(tabs, camera)


@pytest.mark.parametrize("camera", [_SIZES], indirect=True, ids=["counted"])
def test_pictures_that_come_while_it_is_hidden_are_new(tabs: Browser, camera: Tab) -> None:
    camera.evaluate(_PRESS)

    frames_go_on_when_hidden(tabs, camera)

    assert camera.evaluate("window.hiddenSizes.size") > FRAMES / 4  # the same picture again has the same bytes


def test_a_video_file_goes_on_in_a_hidden_tab(tabs: Browser, camera: Tab) -> None:
    camera.choose("[aria-label='Choose a video'], input[type=file]", media_folder() / "hand_202_frames.mp4")

    frames_go_on_when_hidden(tabs, camera)


def test_when_it_is_seen_again_the_camera_is_still_live(tabs: Browser, camera: Tab) -> None:
    camera.evaluate(_PRESS)
    frames_go_on_when_hidden(tabs, camera)

    camera.show()

    camera.until("document.visibilityState === 'visible'")
    camera.until(
        "document.querySelector('.stage[data-stale]') === null && document.querySelector('.findings li') !== null"
    )
