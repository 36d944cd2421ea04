"""Every view with something in it: what a visitor does to have results there."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.visitor import Visitor
from tests.media_files import media_folder

PHOTO = "thumb_up.jpg"


def _camera(visitor: Visitor) -> None:
    visitor.button("Start camera").click()
    expect(visitor.page.locator(".findings li").first).to_contain_text("hand", timeout=60000)


def _photos(visitor: Visitor) -> None:
    visitor.choose("Choose photos", media_folder() / PHOTO)
    expect(visitor.page.locator(".picture")).to_have_count(1, timeout=60000)


def _images(visitor: Visitor) -> None:
    visitor.choose("Choose a picture", media_folder() / PHOTO)
    expect(visitor.page.locator("dl.facts")).to_contain_text("ms", timeout=60000)


def _library(visitor: Visitor) -> None:
    visitor.choose("Choose files", media_folder() / PHOTO)
    visitor.until("document.querySelector('.picture img')?.naturalWidth > 0", 60)


def _jobs(visitor: Visitor) -> None:
    with visitor.server.client() as client:
        content = (media_folder() / PHOTO).read_bytes()
        item = client.post("/v1/media", content=content, headers={"Content-Type": "image/jpeg"}).json()
        order = {"kind": "batch", "input": [item["id"]], "params": {"width": 64}}
        job = client.post("/v1/jobs", json=order).json()
    visitor.page.evaluate(f"location.hash = '#jobs/{job['id']}'")
    expect(visitor.page.locator(".job.followed")).to_have_attribute("data-state", "succeeded", timeout=90000)


def _memory(visitor: Visitor) -> None:
    expect(visitor.page.locator("svg.chart path.curve")).to_have_count(1)


VIEWS = {
    "camera": _camera,
    "photos": _photos,
    "images": _images,
    "library": _library,
    "jobs": _jobs,
    "memory": _memory,
}
"""By view, what fills it."""
