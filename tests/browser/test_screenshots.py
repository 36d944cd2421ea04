"""Pictures of each view, for docs/ where `BALLAST_SCREENSHOTS=docs/screenshots` says so."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.visitor import Visitor
from tests.e2e.server import RunningServer, run_server
from tests.media_files import PHOTO_NAMES, media_folder

pytestmark = [pytest.mark.photo, pytest.mark.model]

Visit = Callable[..., Visitor]

MOST_BYTES = 1_500_000
QUALITY = 55


@pytest.fixture(scope="module")
def small_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A service with a limit as one would give it in a container."""
    with run_server(
        tmp_path_factory.mktemp("small"), {"MEMORY__LIMIT": "512M", "STORAGE__TTL_SECONDS": "604800"}
    ) as server:
        yield server


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = Path(os.environ.get("BALLAST_SCREENSHOTS") or tmp_path)
    path.mkdir(parents=True, exist_ok=True)
    return path


@pytest.mark.stress  # a minute; that every view comes up in both schemes is what axe looks at, too
@pytest.mark.timeout(600)
def test_every_view_in_light_and_dark(small_server: RunningServer, visit: Visit, folder: Path) -> None:
    for scheme in ("light", "dark"):
        visitor = visit(small_server, "memory", color_scheme=scheme, reduced_motion="reduce")
        for view, prepare in VIEWS:
            _take(visitor, view, prepare, folder / f"{view}-{scheme}.jpg")
        visitor.page.set_viewport_size({"width": 360, "height": 740})
        for view in PHONE_VIEWS:
            _take(visitor, view, dict(VIEWS)[view], folder / f"{view}-phone-{scheme}.jpg")

    sizes = [path.stat().st_size for path in folder.glob("*.jpg")]
    assert len(sizes) == 2 * len(VIEWS) + 2 * len(PHONE_VIEWS)
    assert sum(sizes) < MOST_BYTES
    assert min(sizes) > 10_000


def _take(visitor: Visitor, view: str, prepare: Callable[[Visitor], None], path: Path) -> None:
    visitor.open(view.partition("-")[0])
    prepare(visitor)
    path.write_bytes(visitor.page.screenshot(type="jpeg", quality=QUALITY))


def _camera(visitor: Visitor) -> None:
    visitor.button("Start camera").click()
    expect(visitor.page.locator(".findings li").first).to_contain_text("hand", timeout=30000)
    visitor.until("window.framesSent > 120", 150)


def _photos(visitor: Visitor) -> None:
    visitor.choose("Choose photos", *(media_folder() / name for name in PHOTO_NAMES))
    expect(visitor.page.locator(".progress-line")).to_contain_text("4 of 4 photos", timeout=60000)


def _library(visitor: Visitor) -> None:
    if not visitor.page.request.get(f"{visitor.server.url}/v1/media?limit=1").json()["items"]:
        names = ("hand_202_frames.mp4", "gesture_thumb_up_195_frames_720p.mp4", "two_hands_pose.jpg", "astronaut.png")
        visitor.choose("Choose files", *(media_folder() / name for name in names))
    visitor.until("document.querySelectorAll('.picture').length >= 4")
    visitor.until("[...document.querySelectorAll('.picture img')].every((one) => one.naturalWidth > 0)")


def _images(visitor: Visitor) -> None:
    visitor.choose("Choose a picture", media_folder() / "two_hands_pose.jpg")
    visitor.page.get_by_label("Preset", exact=True).select_option("~anonymous")
    expect(visitor.page.locator("dl.facts")).to_contain_text("face hidden", timeout=60000)
    visitor.page.get_by_label("Before on the left, after on the right").fill("35.5")  # through the face


def _jobs(visitor: Visitor) -> None:
    items = visitor.page.request.get(f"{visitor.server.url}/v1/media?kind=video").json()["items"]
    order = {"kind": "analyze", "input": items[0]["id"], "params": {"task": "gestures", "sampleFps": 5}}
    job = visitor.page.request.post(f"{visitor.server.url}/v1/jobs", data=order).json()
    visitor.page.goto(f"{visitor.server.url}/#jobs/{job['id']}")
    visitor.page.locator(".timeline-bar").first.click(timeout=120000)
    visitor.page.wait_for_timeout(800)


def _job_form(visitor: Visitor) -> None:
    items = visitor.page.request.get(f"{visitor.server.url}/v1/media?kind=video").json()["items"]
    visitor.page.goto(f"{visitor.server.url}/#jobs/new/{items[0]['id']}")
    visitor.page.get_by_label("What", exact=True).select_option("clip")
    visitor.until("[...document.querySelectorAll('.strip img')].every((one) => one.naturalWidth > 0)")
    visitor.page.wait_for_timeout(800)


def _memory(visitor: Visitor) -> None:
    expect(visitor.page.locator("svg.chart path.curve")).to_have_count(1)
    visitor.page.wait_for_timeout(4000)


VIEWS = (
    ("camera", _camera),
    ("photos", _photos),
    ("images", _images),
    ("library", _library),
    ("jobs", _jobs),
    ("jobs-form", _job_form),
    ("memory", _memory),
)
PHONE_VIEWS = ("camera", "photos", "images", "library", "jobs-form", "memory")
