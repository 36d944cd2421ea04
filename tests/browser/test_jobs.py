"""Jobs: begun from an item of the library, followed, cancelled, tried again, and looked at."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import expect

from tests.browser.test_access import serious_findings
from tests.browser.visitor import Visitor
from tests.e2e.server import RunningServer, run_server
from tests.media_files import media_folder

pytestmark = [pytest.mark.photo, pytest.mark.timeout(240)]

Visit = Callable[..., Visitor]


@pytest.fixture(scope="module")
def works(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with run_server(tmp_path_factory.mktemp("works")) as server:
        yield server


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds, small."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    ffmpeg = ["ffmpeg", "-loglevel", "error", "-f", "lavfi", "-i", "testsrc2=s=160x90:d=2:r=10", "-pix_fmt", "yuv420p"]
    subprocess.run([*ffmpeg, str(path)], check=True, timeout=60)
    return path


def store(server: RunningServer, path: Path) -> str:
    url = f"{server.url}/v1/media?inline=never&name={path.name}"
    identity: str = httpx.post(url, content=path.read_bytes(), timeout=30).json()["id"]
    return identity


def submit(server: RunningServer, kind: str, media_id: str, **params: Any) -> str:
    answer = httpx.post(f"{server.url}/v1/jobs", json={"kind": kind, "input": media_id, "params": params}, timeout=30)
    assert answer.status_code == 202, answer.text
    identity: str = answer.json()["id"]
    return identity


def form(visit: Visit, server: RunningServer, media_id: str, **options: Any) -> Visitor:
    visitor = visit(server, "memory", **options)
    visitor.page.goto(f"{server.url}/#jobs/new/{media_id}")
    expect(visitor.page.get_by_label("What", exact=True).locator("option")).not_to_have_count(0, timeout=30000)
    visitor.until("performance.getEntriesByType('resource').some((one) => one.name.includes('kinds?input='))", 60)
    return visitor


def test_a_video_is_converted_from_the_library_and_its_result_is_played(
    works: RunningServer, visit: Visit, clip: Path
) -> None:
    media_id = store(works, clip)
    visitor = visit(works, "library")
    visitor.page.locator(f"[data-id='{media_id}']").get_by_role("link", name="New job for clip.mp4").click()
    visitor.page.get_by_label("What", exact=True).select_option("transcode")
    expect(visitor.page.locator("section", has_text="New job").get_by_text("of memory and")).to_be_visible(
        timeout=60000
    )
    visitor.page.locator("select[name='container']").select_option("webm")
    visitor.page.locator("input[name='maxHeight']").fill("48")

    visitor.button("Start").click()

    job = visitor.page.locator(".job.followed")
    expect(job).to_have_attribute("data-state", "succeeded", timeout=120000)
    expect(job).to_contain_text("memory: ")
    visitor.until("document.querySelectorAll('.results video').length === 2")
    visitor.until("[...document.querySelectorAll('.results video')].some((one) => one.videoHeight === 48)")


def test_every_parameter_of_every_kind_has_a_control(works: RunningServer, visit: Visit, clip: Path) -> None:
    visitor = form(visit, works, store(works, clip))
    kinds = httpx.get(f"{works.url}/v1/jobs/kinds").json()["kinds"]
    choice = visitor.page.get_by_label("What", exact=True)
    visitor.evaluate("for (const one of document.querySelectorAll('[aria-label=What] option')) one.disabled = false")

    for kind in kinds:
        choice.select_option(kind["name"])
        text = visitor.page.locator("[aria-label='New job']").inner_text().lower().replace(" ", "")
        missing = [name for name in kind["parameters"].get("properties", {}) if name.lower() not in text]
        assert [name for name in missing if name != "segments"] == [], kind["name"]


def test_parts_are_set_on_a_strip_of_frames(works: RunningServer, visit: Visit, clip: Path) -> None:
    visitor = form(visit, works, store(works, clip))
    if "clip" not in visitor.page.get_by_label("What", exact=True).inner_html():
        pytest.skip("the service has no kind clip")
    visitor.page.get_by_label("What", exact=True).select_option("clip")
    visitor.page.get_by_label("Part 1, start, seconds").fill("0.4")
    visitor.page.get_by_label("Part 1, end, seconds").fill("1")
    visitor.button("Add a part").click()
    visitor.page.get_by_label("Part 2, start, seconds").fill("1.4")
    visitor.page.get_by_label("Part 2, start, seconds").blur()

    visitor.button("Start").click()

    expect(visitor.page.locator(".job.followed")).to_have_attribute("data-state", "succeeded", timeout=120000)
    job_id = visitor.page.url.rpartition("/")[2]
    params = httpx.get(f"{works.url}/v1/jobs/{job_id}").json()["params"]
    assert params["segments"] == [{"start": 0.4, "end": 1}, {"start": 1.4, "end": 2}]


@pytest.mark.model
def test_an_analysis_is_seen_along_its_time_and_drawn_over_the_video(works: RunningServer, visit: Visit) -> None:
    media_id = store(works, media_folder() / "hand_202_frames.mp4")
    job_id = submit(works, "analyze", media_id, task="hands", sampleFps=2)
    visitor = visit(works, "memory")
    visitor.page.goto(f"{works.url}/#jobs/{job_id}")
    bar = visitor.page.locator(".timeline-bar").first
    expect(bar).to_be_visible(timeout=120000)

    bar.focus()
    visitor.page.keyboard.press("Enter")

    visitor.until(
        """(() => {
          const canvas = document.querySelector('.stage canvas');
          const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
          return data.some((value) => value > 0);
        })()"""
    )
    with visitor.page.expect_download() as download:
        visitor.button("Download CSV").click()
    lines = Path(download.value.path()).read_text().splitlines()
    assert lines[0].startswith("timeSeconds,frame,index")
    assert "Right" in lines[1]
    assert serious_findings(visitor) == []


def test_a_job_is_cancelled_and_tried_again(works: RunningServer, visit: Visit, tmp_path: Path) -> None:
    path = tmp_path / "long.mp4"
    ffmpeg = [
        "ffmpeg",
        "-loglevel",
        "error",
        "-f",
        "lavfi",
        "-i",
        "testsrc2=s=640x360:d=60:r=25",
        "-preset",
        "ultrafast",
    ]
    subprocess.run([*ffmpeg, "-pix_fmt", "yuv420p", str(path)], check=True, timeout=60)
    job_id = submit(works, "transcode", store(works, path), videoCodec="h264", quality=90)
    visitor = visit(works, "memory")
    visitor.page.goto(f"{works.url}/#jobs/{job_id}")
    job = visitor.page.locator(".job.followed")
    expect(job).to_have_attribute("data-state", "running", timeout=60000)

    job.get_by_role("button", name="Cancel").click()
    expect(job).to_have_attribute("data-state", "cancelled", timeout=30000)
    job.get_by_role("button", name="Try again").click()

    expect(visitor.page.locator(".job.followed")).to_have_attribute("data-state", "running", timeout=60000)
    visitor.page.locator(".job.followed").get_by_role("button", name="Cancel").click()
    expect(visitor.page.locator(".job.followed")).to_have_attribute("data-state", "cancelled", timeout=30000)


def test_a_wrong_parameter_is_said_before_anything_begins(works: RunningServer, visit: Visit, clip: Path) -> None:
    visitor = form(visit, works, store(works, clip))
    visitor.expect_trouble("422")
    visitor.page.get_by_label("What", exact=True).select_option("thumbnails")
    visitor.page.locator("input[name='at']").fill("99")

    visitor.button("Start").click()

    expect(visitor.page.locator("[aria-label='New job'] .note[data-tone='red']")).to_contain_text("It was not started.")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_in_the_form(works: RunningServer, visit: Visit, clip: Path, scheme: str) -> None:
    visitor = form(visit, works, store(works, clip), color_scheme=scheme)
    visitor.page.wait_for_timeout(300)

    assert serious_findings(visitor) == []
