"""Photos: one or many, through each task."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.visitor import Visitor
from tests.e2e.server import RunningServer
from tests.media_files import PHOTO_NAMES, media_folder, photos

pytestmark = [pytest.mark.photo, pytest.mark.model]

Visit = Callable[..., Visitor]

FINDS = {
    "face-detection": "Face",
    "face-landmarks": "Face",
    "gestures": "Right hand",
    "hands": "Right hand",
    "pose": "Body",
    "segmentation": "People on",
}


def photo_paths() -> list[Path]:
    return [media_folder() / name for name in PHOTO_NAMES]


def test_photos_show_the_hands_that_are_in_them(server: RunningServer, visit: Visit) -> None:
    visitor = visit(server, "photos")
    expect(visitor.page.get_by_label("Task", exact=True)).to_have_value("hands")

    visitor.choose("Choose photos", *photo_paths())

    expect(visitor.page.locator(".progress-line")).to_contain_text("4 of 4 photos", timeout=60000)
    for name, known in photos().items():
        card = visitor.page.locator(".picture", has_text=name)
        hands = len(known.hands)
        expect(card).to_contain_text(f"{hands} finding{'' if hands == 1 else 's'}")
        for hand in known.hands:
            expect(card).to_contain_text(f"{hand.side} hand")


@pytest.mark.parametrize("task", FINDS)
def test_each_task_finds_what_it_is_for(server: RunningServer, visit: Visit, task: str) -> None:
    visitor = visit(server, "photos")
    options = visitor.page.get_by_label("Task", exact=True).locator("option")
    expect(options).not_to_have_count(0)
    if task not in options.all_text_contents():
        pytest.skip(f"the service has no {task} yet")
    visitor.choose_task(task)

    visitor.choose("Choose photos", media_folder() / "business_person.png")

    expect(visitor.page.locator(".picture")).to_contain_text(FINDS[task], timeout=60000)


def test_a_photo_opens_large_and_closes_with_escape(server: RunningServer, visit: Visit) -> None:
    visitor = visit(server, "photos")
    visitor.choose("Choose photos", media_folder() / "thumb_up.jpg")
    frame = visitor.page.get_by_role("button", name="Show thumb_up.jpg large")

    frame.click()

    dialog = visitor.page.get_by_role("dialog")
    expect(dialog).to_contain_text("640\u00d7521 px")
    expect(dialog).to_contain_text("21 landmarks")
    visitor.page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(frame).to_be_focused()


def test_a_batch_of_many_photos_goes_in_one_request(server: RunningServer, visit: Visit) -> None:
    visitor = visit(server, "photos")
    expect(visitor.page.get_by_label("Task", exact=True)).to_have_value("hands")
    requests: list[str] = []
    visitor.page.on("request", lambda request: requests.append(request.url.partition("?")[0].removeprefix(server.url)))
    jpeg = (media_folder() / "thumb_up.jpg").read_bytes()
    files = [{"name": f"{index}.jpg", "mimeType": "image/jpeg", "buffer": jpeg} for index in range(40)]

    visitor.choose("Choose photos", *files)

    expect(visitor.page.locator(".progress-line")).to_contain_text("40 of 40 photos", timeout=90000)
    expect(visitor.page.locator(".progress-line")).to_contain_text("40 findings")
    assert requests.count("/v1/vision/hands/batch") == 1
    assert "/v1/vision/hands" not in requests
    expect(visitor.page.locator(".picture")).to_have_count(24)
    visitor.button("Show more").click()
    expect(visitor.page.locator(".picture")).to_have_count(40)


def test_a_broken_photo_says_so_and_the_others_are_analysed(server: RunningServer, visit: Visit) -> None:
    visitor = visit(server, "photos")
    visitor.expect_trouble("422")  # a few go one by one, so that the browser sees it
    broken = {"name": "broken.jpg", "mimeType": "image/jpeg", "buffer": b"\xff\xd8\xff\xe0 this is no picture"}
    good = {"name": "good.jpg", "mimeType": "image/jpeg", "buffer": (media_folder() / "thumb_up.jpg").read_bytes()}

    visitor.choose("Choose photos", broken, good)

    expect(visitor.page.locator(".progress-line")).to_contain_text("2 of 2 photos", timeout=60000)
    expect(visitor.page.locator(".progress-line")).to_contain_text("1 not analysed")
    expect(visitor.page.locator(".picture", has_text="good.jpg")).to_contain_text("1 finding")
    expect(visitor.page.locator(".picture", has_text="broken.jpg")).not_to_contain_text("finding")
