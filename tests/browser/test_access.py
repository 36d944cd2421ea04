"""For everybody: keys, keyboards, screen readers, small screens, both colour schemes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from importlib.resources import files
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.visitor import Visitor
from tests.e2e.server import RunningServer, run_server
from tests.media_files import media_folder

Visit = Callable[..., Visitor]

VIEWS = ("camera", "photos", "images", "library", "jobs", "memory")
KEY = "key-of-the-browser-tests"


@pytest.fixture
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with run_server(tmp_path_factory.mktemp("keyed"), {"SERVER__API_KEYS": KEY}, secrets=(KEY,)) as server:
        yield server


def serious_findings(visitor: Visitor) -> list[str]:
    """Return what axe-core finds, but for what it calls minor or moderate."""
    visitor.evaluate((files("axe_playwright_python") / "axe.min.js").read_text())
    found: dict[str, Any] = visitor.evaluate("() => axe.run()")
    return [
        json.dumps(
            {
                "rule": one["id"],
                "at": [node["target"] for node in one["nodes"]],
                "why": one["nodes"][0]["failureSummary"],
            }
        )
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
    ]


@pytest.mark.photo
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("view", VIEWS)
def test_axe_finds_nothing_serious(server: RunningServer, visit: Visit, view: str, scheme: str) -> None:
    visitor = visit(server, view, color_scheme=scheme, reduced_motion="reduce")
    if view == "library":
        visitor.choose("Choose files", media_folder() / "thumb_up.jpg")
        expect(visitor.page.locator(".picture").first).to_be_visible()
    if view == "memory":
        expect(visitor.page.locator("svg.chart path.curve")).to_have_count(1)
    visitor.page.wait_for_timeout(300)

    assert serious_findings(visitor) == []


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("width", [320, 1600])
def test_nothing_is_cut_off_on_narrow_and_wide_screens(
    server: RunningServer, visit: Visit, view: str, width: int
) -> None:
    visitor = visit(server, view)
    visitor.page.set_viewport_size({"width": width, "height": 700})
    visitor.page.wait_for_timeout(500)

    assert visitor.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@pytest.mark.parametrize("view", VIEWS)
def test_nothing_jumps_while_a_view_comes_up(server: RunningServer, visit: Visit, view: str) -> None:
    visitor = visit(server, view)
    visitor.page.wait_for_timeout(1500)

    assert visitor.evaluate("window.layoutShift") < 0.1


def test_the_page_is_used_with_the_keyboard(server: RunningServer, visit: Visit) -> None:
    visitor = visit(server)
    keyboard = visitor.page.keyboard

    keyboard.press("Tab")
    expect(visitor.page.get_by_text("Skip to the content")).to_be_focused()
    for _ in range(3):
        keyboard.press("Tab")
    expect(visitor.page.get_by_role("link", name="Photos")).to_be_focused()
    keyboard.press("Enter")

    expect(visitor.page.get_by_role("heading", name="Photos")).to_be_visible()
    expect(visitor.page.get_by_role("link", name="Photos")).to_have_attribute("aria-current", "page")


@pytest.mark.photo
def test_a_key_is_asked_for_and_kept_in_the_tab(keyed: RunningServer, browser: Browser) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(keyed.url)
    dialog = page.get_by_role("dialog")

    dialog.get_by_label("Key").fill("wrong")
    dialog.get_by_role("button", name="Use this key").click()
    expect(dialog).to_contain_text("That key was not accepted.")
    dialog.get_by_label("Key").fill(KEY)
    dialog.get_by_role("button", name="Use this key").click()

    expect(page.locator("#level .chip")).to_have_text("LOW", timeout=20000)
    assert page.evaluate("[sessionStorage.length, localStorage.length, document.cookie]") == [1, 0, ""]
    context.close()


@pytest.mark.photo
@pytest.mark.model
def test_with_a_key_everything_works(keyed: RunningServer, visit: Visit) -> None:
    visitor = visit(keyed, "", key=KEY)

    visitor.open("camera")
    visitor.button("Start camera").click()
    expect(visitor.page.locator(".findings li").first).to_contain_text("hand", timeout=30000)
    visitor.open("library")
    visitor.choose("Choose files", media_folder() / "thumb_up.jpg", media_folder() / "hand_202_frames.mp4")

    visitor.until("[...document.querySelectorAll('.picture img')].filter((one) => one.naturalWidth > 0).length === 2")
    visitor.page.get_by_role("button", name="Open hand_202_frames.mp4", exact=True).click()
    visitor.until("document.querySelector('dialog video')?.videoWidth === 640")
    visitor.page.keyboard.press("Escape")
    assert KEY not in visitor.page.content()
    visitor.open("memory")
    visitor.until("window.blobUrls.size === 0")
