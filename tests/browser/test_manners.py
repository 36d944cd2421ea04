"""The page never gets stuck, keeps its order on a phone, and speaks plainly."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Request, expect

from tests.browser.test_access import KEY, keyed  # noqa: F401 - a fixture
from tests.browser.test_truth import LOST
from tests.browser.visitor import Visitor
from tests.e2e.server import RunningServer, run_server
from tests.media_files import media_folder

pytestmark = pytest.mark.photo

Visit = Callable[..., Visitor]

PHONE = {"width": 360, "height": 740}


@pytest.mark.parametrize("view", ["photos", "library"])
def test_a_view_that_is_opened_while_the_service_is_away_comes_back(
    tmp_path_factory: pytest.TempPathFactory, visit: Visit, view: str
) -> None:
    folder = tmp_path_factory.mktemp("away")
    with run_server(folder) as server:
        visitor = visit(server, view)
        visitor.open("memory")
        port = server.port
    visitor.expect_trouble(LOST)
    visitor.expect_trouble("Failed to fetch|net::ERR")
    visitor.page.evaluate(f"location.hash = '#{view}'")
    expect(visitor.page.locator("#banner")).to_contain_text("No connection", timeout=15000)

    with run_server(folder, {"SERVER__PORT": str(port)}):
        if view == "photos":
            expect(visitor.page.get_by_label("Task", exact=True)).to_have_value("hands", timeout=40000)
        else:
            expect(visitor.page.get_by_text("Nothing is stored yet.")).to_be_visible(timeout=40000)
        visitor.page.close()


def test_escape_keeps_the_key_and_the_button(keyed: RunningServer, visit: Visit) -> None:  # noqa: F811 - the fixture
    visitor = visit(keyed, "library", key=KEY)
    expect(visitor.page.locator("#level .chip")).to_have_text("LOW")
    dialog = visitor.page.get_by_role("dialog")

    visitor.button("Key").click()
    expect(dialog.locator("p")).to_have_count(1)
    visitor.page.keyboard.press("Escape")

    expect(dialog).to_have_count(0)
    expect(visitor.button("Key")).to_be_visible()
    assert visitor.evaluate("sessionStorage.getItem('ballast.key')") == KEY
    visitor.button("Refresh").click()
    expect(visitor.page.get_by_text("Nothing is stored yet.")).to_be_visible()


def test_who_has_no_key_yet_still_has_the_button(keyed: RunningServer, browser: Browser) -> None:  # noqa: F811
    context = browser.new_context()
    page = context.new_page()
    page.goto(keyed.url)

    page.get_by_role("button", name="Not now").click()
    page.get_by_role("button", name="Key", exact=True).click()

    expect(page.get_by_role("dialog")).to_be_visible()
    context.close()


@pytest.mark.model
def test_on_a_phone_task_and_settings_come_before_results_and_figures_are_folded(
    server: RunningServer, visit: Visit
) -> None:
    visitor = visit(server, "camera", viewport=PHONE)

    def top(selector: str) -> float:
        return float(visitor.evaluate(f"document.querySelector('{selector}').getBoundingClientRect().top + scrollY"))

    assert top(".settings") < top(".camera-found") < top(".camera-figures")
    assert visitor.evaluate("document.querySelector('.camera-figures details').open") is False
    expect(visitor.page.locator("#level")).to_contain_text("memory")
    visitor.open("photos")
    visitor.choose("Choose photos", media_folder() / "thumb_up.jpg")
    expect(visitor.page.locator(".picture")).to_have_count(1, timeout=60000)
    assert top(".settings") < top(".pictures")


@pytest.fixture
def upright(tmp_path: Path) -> Path:
    path = tmp_path / "upright.webm"
    ffmpeg = ["ffmpeg", "-loglevel", "error", "-f", "lavfi", "-i", "testsrc2=s=180x320:d=2:r=10", "-c:v", "libvpx"]
    subprocess.run([*ffmpeg, str(path)], check=True, timeout=60)
    return path


@pytest.mark.model
def test_a_video_taken_upright_fills_the_stage(server: RunningServer, visit: Visit, upright: Path) -> None:
    visitor = visit(server, "camera", viewport=PHONE)

    visitor.choose("Choose a video", upright)

    visitor.until("document.querySelector('.stage video').videoWidth === 180")
    visitor.until(
        """(() => {
          const { width, height } = document.querySelector('.stage').getBoundingClientRect();
          return Math.abs(width / height - 180 / 320) < 0.02;
        })()"""
    )
    visitor.until("window.framesSent > 0")  # else the stream is closed while it opens, which the browser warns of


@pytest.mark.model
def test_no_words_of_the_code_and_every_figure_explains_itself(server: RunningServer, visit: Visit) -> None:
    visitor = visit(server, "camera")
    visitor.button("Start camera").click()
    expect(visitor.page.locator(".camera-figures")).to_contain_text("Full quality", timeout=30000)

    camera = visitor.page.locator("main").inner_text()
    unexplained = visitor.evaluate(
        "[...document.querySelectorAll('.camera-figures dt')].filter((one) => !one.title).length"
    )
    visitor.open("memory")
    expect(visitor.page.locator(".figures")).to_contain_text("Full quality")
    memory = visitor.page.locator("main").inner_text()

    assert "FULL_QUALITY" not in camera + memory
    assert "advice" not in camera.lower()
    assert unexplained == 0


def test_what_cannot_be_taken_is_refused_before_a_byte_is_sent(
    tmp_path_factory: pytest.TempPathFactory, visit: Visit
) -> None:
    with run_server(tmp_path_factory.mktemp("small"), {"UPLOAD__MAX_BYTES": "1000"}) as server:
        visitor = visit(server, "library")
        sent: list[str] = []

        def note(request: Request) -> None:
            if request.method in ("POST", "PATCH"):
                sent.append(request.url)

        visitor.page.on("request", note)
        words = {"name": "words.txt", "mimeType": "text/plain", "buffer": b"only words"}
        large = {"name": "large.png", "mimeType": "image/png", "buffer": bytes(5000)}
        empty = {"name": "empty.png", "mimeType": "image/png", "buffer": b""}

        visitor.choose("Choose files", words, large, empty)

        for name, reason in (
            ("words.txt", "not a picture, video or audio"),
            ("large.png", "at most 1000 B"),
            ("empty.png", "empty"),
        ):
            expect(visitor.page.locator(f"[data-upload='{name}']")).to_contain_text(reason)
        assert sent == []
        visitor.page.close()


def test_a_denied_camera_says_how_to_allow_it(server: RunningServer, visit: Visit) -> None:
    visitor = visit(server, "camera")
    visitor.evaluate(
        """() => {
          const denied = new DOMException('no', 'NotAllowedError');
          navigator.mediaDevices.getUserMedia = () => Promise.reject(denied);
        }"""
    )

    visitor.button("Start camera").click()

    expect(visitor.page.locator(".note")).to_contain_text("Allow it with the camera or lock sign beside the address")


@pytest.mark.model
def test_what_is_no_picture_is_called_so(server: RunningServer, visit: Visit) -> None:
    visitor = visit(server, "photos")
    visitor.expect_trouble("415|422")
    visitor.choose("Choose photos", {"name": "no.jpg", "mimeType": "image/jpeg", "buffer": b"only words"})

    expect(visitor.page.locator(".picture")).to_contain_text("not a picture", timeout=30000)
