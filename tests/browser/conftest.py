"""The page in a real browser: Chromium, driven by Playwright, with a camera that shows a video of a hand."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, sync_playwright

from tests.absent import cannot_run
from tests.browser.visitor import Visitor
from tests.e2e.server import RunningServer, run_server
from tests.media_files import media_folder

# The machine has no network but loopback: the browser is to look for nothing else.
SWITCHES = [
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Pages start slowly on a machine that does other things too."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent) and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(180))


@pytest.fixture(scope="package")
def chromium() -> str:
    path = os.environ.get("BALLAST_TEST_BROWSER") or shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        reason = "there is no Chromium (Debian's package `chromium`, or BALLAST_TEST_BROWSER)"
        cannot_run(reason)
    return path


@pytest.fixture(scope="package")
def camera_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The hand video as motion JPEG, which Chromium shows as its camera, again and again."""
    path = tmp_path_factory.mktemp("camera") / "hand.mjpeg"
    source = media_folder() / "hand_202_frames.mp4"
    ffmpeg = ["ffmpeg", "-loglevel", "error", "-i", str(source), "-an", "-c:v", "mjpeg", "-q:v", "4", str(path)]
    subprocess.run(ffmpeg, check=True, timeout=60)
    return path


@pytest.fixture(scope="package")
def playwright() -> Iterator[Playwright]:
    # Not for the whole run: while it is open this thread has an event loop, and other tests make their own.
    with sync_playwright() as driver:
        yield driver


@pytest.fixture(scope="package")
def browser(playwright: Playwright, chromium: str, camera_file: Path) -> Iterator[Browser]:
    switches = [*SWITCHES, f"--use-file-for-fake-video-capture={camera_file}"]
    browser = playwright.chromium.launch(executable_path=chromium, args=switches)
    yield browser
    browser.close()


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with run_server(tmp_path_factory.mktemp("service")) as server:
        yield server


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Visitor]]:
    """Open the page of a service, in a browser session of its own; errors in its console fail the test."""
    contexts: list[BrowserContext] = []
    visitors: list[Visitor] = []

    def open_page(server: RunningServer, view: str = "", key: str | None = None, **options: Any) -> Visitor:
        options.setdefault("viewport", {"width": 1280, "height": 860})
        context = browser.new_context(permissions=["camera"], **options)
        contexts.append(context)
        if key is not None:
            context.add_init_script(f"sessionStorage.setItem('ballast.key', {key!r});")
        page: Page = context.new_page()
        visitor = Visitor(page, server)
        visitors.append(visitor)
        visitor.open(view)
        return visitor

    yield open_page
    for context in contexts:
        context.close()
    for visitor in visitors:
        visitor.check()
