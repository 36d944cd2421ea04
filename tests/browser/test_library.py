"""Library: files go up, are seen again, and go."""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Locator, Request, expect

from tests.browser.visitor import Visitor
from tests.e2e.server import RunningServer, run_server
from tests.media_files import media_folder
from tests.samples import png

pytestmark = pytest.mark.photo

Visit = Callable[..., Visitor]

MB = 1_000_000


@pytest.fixture
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A service whose library is empty, and whose items expire."""
    with run_server(tmp_path_factory.mktemp("library"), {"STORAGE__TTL_SECONDS": "86400"}) as server:
        yield server


@pytest.fixture(scope="module")
def large_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """More than 60 MB of MP4, the hand video many times over."""
    path = tmp_path_factory.mktemp("video") / "large.mp4"
    source = media_folder() / "hand_202_frames.mp4"
    ffmpeg = [
        "ffmpeg",
        "-loglevel",
        "error",
        "-stream_loop",
        "190",
        "-i",
        str(source),
        "-c",
        "copy",
        "-movflags",
        "+faststart",
    ]
    subprocess.run([*ffmpeg, str(path)], check=True, timeout=60)
    assert path.stat().st_size > 60 * MB
    return path


def card(visitor: Visitor, name: str) -> Locator:
    return visitor.page.locator(".picture", has_text=name)


def test_a_picture_goes_up_and_is_shown(library: RunningServer, visit: Visit) -> None:
    visitor = visit(library, "library")
    expect(visitor.page.get_by_text("Nothing is stored yet.")).to_be_visible()

    visitor.choose("Choose files", media_folder() / "thumb_up.jpg")

    expect(card(visitor, "thumb_up.jpg")).to_contain_text("image/jpeg · 52.4 KiB")
    expect(card(visitor, "thumb_up.jpg")).to_contain_text("kept until ")
    visitor.until("document.querySelector('.picture img')?.naturalWidth === 442")  # derived, not the original
    expect(visitor.page.locator("[data-upload='thumb_up.jpg']")).to_have_attribute("data-state", "done")


def test_a_file_can_be_dropped(library: RunningServer, visit: Visit) -> None:
    visitor = visit(library, "library")
    transfer = visitor.page.evaluate_handle(
        """(base64) => {
          const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
          const transfer = new DataTransfer();
          transfer.items.add(new File([bytes], 'dropped.png', { type: 'image/png' }));
          return transfer;
        }""",
        base64.b64encode(png(8, 8)).decode(),
    )

    visitor.page.dispatch_event(".drop", "drop", {"dataTransfer": transfer})

    expect(card(visitor, "dropped.png")).to_contain_text("image/png")


def test_a_video_plays_and_seeks_by_ranges(library: RunningServer, visit: Visit, large_video: Path) -> None:
    upload = httpx.post(
        f"{library.url}/v1/media?name=large.mp4&inline=never", content=large_video.read_bytes(), timeout=60
    )
    assert upload.json()["largeFile"] is True
    visitor = visit(library, "library")
    ranges: list[str] = []

    def note(request: Request) -> None:
        if request.url.endswith("/content"):
            ranges.append(request.all_headers().get("range", ""))

    visitor.page.on("request", note)
    visitor.page.get_by_role("button", name="Open large.mp4", exact=True).click()
    video = visitor.page.get_by_role("dialog").locator("video")

    end = video.evaluate(
        """async (video) => {
          const happens = (type) => new Promise((resolve) => video.addEventListener(type, resolve, { once: true }));
          if (video.readyState < 1) await happens('loadedmetadata');
          const seeked = happens('seeked');
          video.currentTime = video.duration * 0.9;
          await seeked;
          video.muted = true;
          await video.play();
          const from = video.currentTime;
          while (video.currentTime < from + 0.3) await new Promise((resolve) => setTimeout(resolve, 50));
          return [video.duration, from, video.videoWidth];
        }"""
    )

    duration, seeked_to, width = end
    assert seeked_to == pytest.approx(duration * 0.9, abs=1)
    assert width == 640
    assert any(one.startswith("bytes=") and not one.startswith("bytes=0-") for one in ranges), ranges


def test_an_upload_goes_on_while_another_view_is_open(library: RunningServer, visit: Visit, large_video: Path) -> None:
    visitor = visit(library, "library")

    visitor.choose("Choose files", large_video)
    visitor.open("memory")
    visitor.open("library")

    expect(card(visitor, "large.mp4")).to_be_visible(timeout=60000)
    visitor.until("document.querySelector('.picture img')?.naturalWidth > 0")  # made before the service is stopped


def test_deleting_asks_first(library: RunningServer, visit: Visit) -> None:
    visitor = visit(library, "library")
    visitor.choose("Choose files", media_folder() / "thumb_up.jpg")
    expect(card(visitor, "thumb_up.jpg")).to_be_visible()
    delete = visitor.page.get_by_role("button", name="Delete thumb_up.jpg")

    delete.click()
    visitor.button("Cancel").click()
    expect(card(visitor, "thumb_up.jpg")).to_be_visible()
    delete.click()
    visitor.page.get_by_role("dialog").get_by_role("button", name="Delete", exact=True).click()

    expect(card(visitor, "thumb_up.jpg")).to_have_count(0)
    assert httpx.get(f"{library.url}/v1/media").json()["items"] == []


def test_what_is_no_media_is_refused_with_the_reason(library: RunningServer, visit: Visit) -> None:
    visitor = visit(library, "library")
    visitor.expect_trouble("415")

    visitor.choose("Choose files", {"name": "words.txt", "mimeType": "text/plain", "buffer": b"only words"})

    row = visitor.page.locator("[data-upload='words.txt']")
    expect(row).to_have_attribute("data-state", "failed")
    expect(row).to_contain_text("Failed: ")


def test_a_large_upload_is_interrupted_paused_and_goes_on_after_a_reload(
    library: RunningServer, visit: Visit, large_video: Path
) -> None:
    if "/v1/uploads" not in httpx.get(f"{library.url}/openapi.json").json()["paths"]:
        pytest.skip("the service has no resumable uploads yet")
    visitor = visit(library, "library")
    visitor.expect_trouble("ERR_INTERNET_DISCONNECTED|ERR_NETWORK|net::ERR")
    session = visitor.page.context.new_cdp_session(visitor.page)

    def network(offline: bool, upload_bytes_per_second: int = 20 * MB) -> None:
        words = {
            "offline": offline,
            "latency": 0,
            "downloadThroughput": -1,
            "uploadThroughput": upload_bytes_per_second,
        }
        session.send("Network.emulateNetworkConditions", words)

    session.send("Network.enable")
    network(offline=False, upload_bytes_per_second=4 * MB)
    row = visitor.page.locator("[data-upload='large.mp4']")
    progress = row.locator("progress")

    visitor.choose("Choose files", large_video)
    visitor.until(f"document.querySelector('.uploads progress')?.value > {20 * MB}", 60)
    network(offline=True)
    expect(row).to_have_attribute("data-state", "waiting", timeout=30000)
    network(offline=False, upload_bytes_per_second=4 * MB)
    expect(row).to_have_attribute("data-state", "uploading", timeout=30000)
    visitor.until(f"document.querySelector('.uploads progress')?.value > {30 * MB}", 60)
    row.get_by_role("button", name="Pause").click()
    expect(row).to_have_attribute("data-state", "paused")
    paused_at = float(progress.get_attribute("value") or 0)
    network(offline=False)
    visitor.page.reload()
    expect(visitor.page.get_by_text("was not finished. Choose the same file again")).to_be_visible()
    visitor.choose("Choose files", large_video)

    expect(card(visitor, "large.mp4")).to_be_visible(timeout=90000)
    expect(row).to_contain_text("were there already")
    item = httpx.get(f"{library.url}/v1/media").json()["items"][0]
    assert item["sizeBytes"] == large_video.stat().st_size
    assert paused_at > 16 * MB


def test_finished_uploads_are_folded_away_and_cleared(library: RunningServer, visit: Visit) -> None:
    visitor = visit(library, "library")
    pictures = [{"name": f"{one}.png", "mimeType": "image/png", "buffer": png(8, 8 + one)} for one in range(3)]

    visitor.choose("Choose files", *pictures)

    fold = visitor.page.locator(".view details.folded", has_text="3 files stored")
    expect(fold).to_be_visible(timeout=30000)
    expect(visitor.page.locator("[data-upload='0.png']")).to_be_hidden()
    visitor.button("Clear finished").click()
    expect(visitor.page.locator("[data-upload]")).to_have_count(0)
    expect(fold).to_be_hidden()


def test_all_that_is_selected_is_downloaded(library: RunningServer, visit: Visit) -> None:
    for one in range(3):
        httpx.post(f"{library.url}/v1/media?name={one}.png", content=png(8, 8 + one))
    visitor = visit(library, "library")
    names: list[str] = []
    visitor.page.on("download", lambda download: names.append(download.suggested_filename))
    for one in range(3):
        visitor.page.get_by_label(f"Select {one}.png").check()

    visitor.button("Download selected").click()

    expect(visitor.page.get_by_text("3 of 3 downloads begun")).to_be_visible()
    for _ in range(100):
        if len(names) == 3:
            break
        visitor.page.wait_for_timeout(100)
    assert sorted(names) == ["0.png", "1.png", "2.png"]
