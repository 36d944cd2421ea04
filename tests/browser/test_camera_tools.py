"""What can be done with what the camera shows: a picture, its answer, a recording, the full screen, another camera."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Playwright, expect

from tests.browser.conftest import SWITCHES
from tests.browser.visitor import Visitor
from tests.e2e.server import RunningServer

pytestmark = [pytest.mark.photo, pytest.mark.model]

Visit = Callable[..., Visitor]

_DRAWN_ON = """async (bytes) => {
  const bitmap = await createImageBitmap(new Blob([new Uint8Array(bytes)], { type: 'image/jpeg' }));
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const context = canvas.getContext('2d');
  context.drawImage(bitmap, 0, 0);
  const { data } = context.getImageData(0, 0, bitmap.width, bitmap.height);
  let drawn = 0;
  for (let at = 0; at < data.length; at += 4) {
    const [red, green, blue] = data.slice(at, at + 3);
    drawn += green > 150 && green > red + 60 && green > blue + 20;
  }
  return [bitmap.width, bitmap.height, drawn];
}"""
"""Size of a picture, and how many of its pixels are of a colour that only the drawing has."""


def start(visitor: Visitor) -> None:
    visitor.button("Start camera").click()
    expect(visitor.page.locator(".findings li").first).to_contain_text("hand", timeout=60000)


def snapshot(visitor: Visitor, path: Path) -> list[int]:
    with visitor.page.expect_download() as download:
        visitor.button("Snapshot").click()
    download.value.save_as(path)
    assert download.value.suggested_filename == "snapshot.jpg"
    size: list[int] = visitor.page.evaluate(_DRAWN_ON, list(path.read_bytes()))
    return size


def test_a_snapshot_is_the_picture_with_the_drawing_on_it(server: RunningServer, visit: Visit, tmp_path: Path) -> None:
    visitor = visit(server, "camera")
    start(visitor)

    width, height, drawn = snapshot(visitor, tmp_path / "with.jpg")
    for name in ("Points", "Lines", "Boxes", "Words", "Mask"):
        visitor.page.get_by_label(name, exact=True).uncheck()
    *_, without = snapshot(visitor, tmp_path / "without.jpg")

    shown = visitor.evaluate(
        "(({ videoWidth, videoHeight }) => [videoWidth, videoHeight])(document.querySelector('.stage video'))"
    )
    assert [width, height] == shown
    assert drawn > without + 100


def test_the_newest_answer_is_shown_as_json(server: RunningServer, visit: Visit) -> None:
    visitor = visit(server, "camera")
    expect(visitor.button("Show JSON")).to_be_disabled()
    start(visitor)

    visitor.button("Show JSON").click()

    answer: dict[str, Any] = json.loads(visitor.page.get_by_role("dialog").locator("pre").inner_text())
    assert answer["type"] == "result"
    assert {"seq", "mode", "detections", "timing", "lagSeconds"} <= set(answer)
    visitor.page.keyboard.press("Escape")
    expect(visitor.page.get_by_role("dialog")).to_have_count(0)


def test_the_stage_fills_the_screen_with_its_drawing(server: RunningServer, visit: Visit) -> None:
    visitor = visit(server, "camera")
    start(visitor)

    visitor.button("Fullscreen").click()

    visitor.until("document.fullscreenElement === document.querySelector('.stage')")
    visitor.until("document.querySelector('.stage canvas').getBoundingClientRect().width === innerWidth")
    visitor.evaluate("document.exitFullscreen()")
    visitor.until("document.fullscreenElement === null")


def test_a_recording_goes_to_the_library_and_plays_there(server: RunningServer, visit: Visit) -> None:
    visitor = visit(server, "camera")
    start(visitor)

    visitor.button("Record").click()
    sent = visitor.evaluate("window.framesSent")
    visitor.until(f"window.framesSent > {sent + 30}", 60)
    visitor.button("Stop recording").click()

    expect(visitor.page.get_by_text("The recording goes to the library.")).to_be_visible()
    visitor.open("library")
    card = visitor.page.get_by_role("button", name="Open camera-").first
    expect(card).to_be_visible(timeout=60000)
    card.click()
    visitor.until("document.querySelector('dialog video')?.videoWidth > 0", 60)
    item = visitor.page.request.get(f"{server.url}/v1/media?kind=video&limit=1").json()["items"][0]
    assert item["name"].startswith("camera-")
    assert item["width"] > 0


def test_leaving_the_view_keeps_what_was_recorded(server: RunningServer, visit: Visit) -> None:
    visitor = visit(server, "camera")
    start(visitor)
    before = len(visitor.page.request.get(f"{server.url}/v1/media?kind=video").json()["items"])

    visitor.button("Record").click()
    sent = visitor.evaluate("window.framesSent")
    visitor.until(f"window.framesSent > {sent + 20}", 60)
    visitor.open("library")

    items = "fetch('/v1/media?kind=video').then((answer) => answer.json()).then(({ items }) => items.length)"
    visitor.until(f"{items}.then((count) => count === {before + 1})", 60)


@pytest.fixture(scope="module")
def two_cameras(playwright: Playwright, chromium: str) -> Iterator[Browser]:
    switches = [one for one in SWITCHES if not one.startswith("--use-fake-device")]
    browser = playwright.chromium.launch(
        executable_path=chromium, args=[*switches, "--use-fake-device-for-media-stream=device-count=2"]
    )
    yield browser
    browser.close()


def test_another_camera_is_chosen(server: RunningServer, two_cameras: Browser) -> None:
    context = two_cameras.new_context(permissions=["camera"])
    visitor = Visitor(context.new_page(), server)
    visitor.open("camera")
    visitor.button("Start camera").click()
    visitor.until("window.framesSent > 3", 60)
    used = "document.querySelector('.stage video').srcObject?.getVideoTracks()[0].getSettings().deviceId"
    first = visitor.evaluate(used)

    choice = visitor.page.locator("label.field", has=visitor.page.get_by_text("Camera", exact=True)).locator("select")
    expect(choice.locator("option")).to_have_count(3)
    names = choice.locator("option").all_inner_texts()
    other = next(
        value
        for value in choice.locator("option").evaluate_all("(all) => all.map((one) => one.value)")
        if value not in ("", first)
    )
    choice.select_option(other)

    visitor.until(f"{used} === '{other}'")
    sent = visitor.evaluate("window.framesSent")
    visitor.until(f"window.framesSent > {sent + 3}", 60)
    assert choice.input_value() == other
    assert all(name.strip() for name in names)
    context.close()
    visitor.check()
