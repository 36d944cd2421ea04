"""The core of the page in Firefox: it comes up, takes files, makes pictures, and looks through a camera."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from tests.absent import cannot_run
from tests.browser.firefox import Firefox, run_firefox
from tests.browser.test_hidden_tab import FRAMES, MOST_TICKS, TICK, seconds_of_frames
from tests.browser.visitor import COUNT_FRAMES
from tests.e2e.server import RunningServer
from tests.media_files import media_folder

pytestmark = [pytest.mark.photo]

VIEWS = ("camera", "photos", "images", "library", "jobs", "memory")


@pytest.fixture(scope="module")
def program() -> str:
    path = shutil.which("firefox-esr") or shutil.which("firefox")
    if path is None:
        reason = "there is no Firefox (Debian's package `firefox-esr`)"
        cannot_run(reason)
    return path


@pytest.fixture(scope="module")
def browser(program: str) -> Iterator[Firefox]:
    with run_firefox(program) as firefox:
        yield firefox


@pytest.fixture
def firefox(browser: Firefox) -> Iterator[Firefox]:
    browser.troubles.clear()
    yield browser
    assert browser.troubles == []


def open_view(firefox: Firefox, server: RunningServer, view: str) -> None:
    firefox.open(f"{server.url}/?{view}#{view}")  # another address each time, so that the page is loaded anew
    firefox.until(f"document.querySelector(\".view[data-view='{view}']\") !== null")


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_comes_up(firefox: Firefox, server: RunningServer, view: str) -> None:
    open_view(firefox, server, view)

    firefox.until("document.querySelector('#level .chip')?.textContent === 'LOW'")
    assert firefox.evaluate("document.querySelector('h1').textContent").lower() == view
    for width in (320, 1600):
        firefox.size(width, 800)
        firefox.until("document.documentElement.scrollWidth <= window.innerWidth")


def test_a_file_goes_to_the_library_and_is_seen_there(firefox: Firefox, server: RunningServer) -> None:
    open_view(firefox, server, "library")

    firefox.choose("main input[type=file]", media_folder() / "thumb_up.jpg", media_folder() / "hand_202_frames.mp4")

    for name in ("thumb_up.jpg", "hand_202_frames.mp4"):
        firefox.until(f"document.querySelector('[aria-label=\\'Open {name}\\'] img')?.naturalWidth > 0", 120)


@pytest.mark.model
def test_a_picture_is_made_anonymous(firefox: Firefox, server: RunningServer) -> None:
    open_view(firefox, server, "images")
    firefox.until("document.querySelectorAll('[aria-label=Preset] option').length > 1")

    firefox.choose("main input[type=file]", media_folder() / "two_hands_pose.jpg")
    firefox.until("document.querySelector('dl.facts').textContent.includes('ms')")
    firefox.evaluate(
        """((one) => {
          one.value = '~anonymous';
          one.dispatchEvent(new Event('change'));
        })(document.querySelector('[aria-label=Preset]'))"""
    )

    firefox.until("document.querySelector('dl.facts').textContent.includes('hidden')")


@pytest.mark.model
def test_a_camera_is_looked_through_also_while_the_tab_is_hidden(firefox: Firefox, server: RunningServer) -> None:
    open_view(firefox, server, "camera")
    firefox.until("document.querySelectorAll('[aria-label=Task] option').length > 3")
    firefox.evaluate(f"(() => {{ {COUNT_FRAMES} }})()")
    firefox.press("Start camera")
    firefox.until("window.framesSent > 5 && document.querySelector('.camera-figures').textContent.includes(' per s')")

    most_ticks = max(MOST_TICKS, int(1.5 * seconds_of_frames(firefox)))

    firefox.tab_in_front()

    firefox.until("document.visibilityState === 'hidden'")
    firefox.evaluate(TICK)
    began = firefox.evaluate("window.framesSent")
    firefox.until(f"window.framesSent >= {began + FRAMES}", 120)
    ticks = firefox.evaluate("window.ticks")
    firefox.press("Stop")
    assert ticks <= most_ticks, f"{FRAMES} frames in {ticks} ticks"
