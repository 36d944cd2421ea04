"""An analysis of a video: its rows along the time, what is drawn over it, and its downloads."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import expect

from tests.browser.test_access import serious_findings
from tests.browser.test_jobs import store, submit
from tests.browser.visitor import Visitor
from tests.e2e.server import RunningServer, run_server
from tests.media_files import media_folder

pytestmark = [pytest.mark.photo, pytest.mark.timeout(240)]

Visit = Callable[..., Visitor]

DRAWN = """(() => {
  const shown = document.querySelector('.stage canvas');
  const copy = new OffscreenCanvas(shown.width, shown.height).getContext('2d', { willReadFrequently: true });
  copy.drawImage(shown, 0, 0);
  return copy.getImageData(0, 0, shown.width, shown.height).data.some((value) => value > 0);
})()"""


@pytest.fixture(scope="module")
def works(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with run_server(tmp_path_factory.mktemp("works")) as server:
        yield server


@pytest.fixture(scope="module")
def dark_light_dark(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One second of black, one of a picture, one of black; all of it silent."""
    path = tmp_path_factory.mktemp("clip") / "dark.mp4"
    dark, light = "color=black:s=160x90:d=1:r=10", "testsrc2=s=160x90:d=1:r=10"
    graph = f"{dark}[a];{light}[b];{dark}[c];[a][b][c]concat=n=3:v=1[v]"
    ffmpeg = ["ffmpeg", "-loglevel", "error", "-f", "lavfi", "-i", "anullsrc=r=48000:cl=mono", "-filter_complex", graph]
    coded = ["-map", "[v]", "-map", "0:a", "-t", "3", "-pix_fmt", "yuv420p", str(path)]
    subprocess.run([*ffmpeg, *coded], check=True, timeout=60)
    return path


def analysed(visit: Visit, server: RunningServer, media: Path, **params: Any) -> Visitor:
    """Show a finished analysis."""
    job_id = submit(server, "analyze", store(server, media), **params)
    visitor = visit(server, "memory")
    visitor.page.goto(f"{server.url}/#jobs/{job_id}")
    expect(visitor.page.locator(".timeline-bar").first).to_be_visible(timeout=120000)
    visitor.until("document.querySelector('.stage video').readyState >= 2")
    return visitor


def lines_of(server: RunningServer, visitor: Visitor) -> str:
    job = httpx.get(f"{server.url}/v1/jobs/{visitor.page.url.rpartition('/')[2]}").json()
    return httpx.get(server.url + job["result"]["media"][0]["url"]).text


def test_cuts_black_silence_and_blur_have_rows_and_are_told(
    works: RunningServer, visit: Visit, dark_light_dark: Path
) -> None:
    visitor = analysed(visit, works, dark_light_dark, scenes=True, black=True, silence=True, blur=True)

    rows = visitor.page.locator(".timeline-row")
    expect(rows.locator(".timeline-label")).to_have_text(["Scene cuts", "Black", "Silence", "Most blurred"])
    analysis = visitor.page.get_by_label("Analysis")
    expect(analysis).to_contain_text("2 black parts; 1 silent part.")
    expect(analysis).not_to_contain_text("looked at")
    expect(visitor.page.locator("dl.facts", has_text="Blur: mean")).to_be_visible()


def test_a_press_on_a_bar_goes_to_its_time(works: RunningServer, visit: Visit, dark_light_dark: Path) -> None:
    visitor = analysed(visit, works, dark_light_dark, scenes=True)
    cut = json.loads(lines_of(works, visitor).splitlines()[0])["timeSeconds"]

    visitor.page.get_by_role("button", name="Scene cuts from").click()

    visitor.until(f"Math.abs(document.querySelector('.stage video').currentTime - {cut}) < 0.05")
    visitor.until("!document.querySelector('.stage video').seeking")
    assert cut == pytest.approx(1, abs=0.15)


def test_the_downloads_have_all_that_was_found(works: RunningServer, visit: Visit, dark_light_dark: Path) -> None:
    visitor = analysed(visit, works, dark_light_dark, scenes=True, black=True)

    with visitor.page.expect_download() as ndjson:
        visitor.button("Download NDJSON").click()
    with visitor.page.expect_download() as csv:
        visitor.button("Download CSV").click()

    assert Path(ndjson.value.path()).read_text() == lines_of(works, visitor)
    head, *rows = Path(csv.value.path()).read_text().splitlines()
    assert head.endswith(",event,endSeconds")
    assert [row.split(",")[-2] for row in rows] == [
        json.loads(line)["event"] for line in lines_of(works, visitor).splitlines()
    ]
    assert len(rows) >= 3


@pytest.mark.model
def test_nothing_is_drawn_outside_of_what_was_looked_at(works: RunningServer, visit: Visit) -> None:
    media = media_folder() / "hand_202_frames.mp4"
    visitor = analysed(visit, works, media, task="hands", sampleFps=5, start=1, end=2)
    seek = "document.querySelector('.stage video').currentTime = "

    visitor.evaluate(f"{seek} 1.5")
    visitor.until(DRAWN)
    visitor.evaluate(f"{seek} 3")
    visitor.until(f"!{DRAWN}")
    visitor.evaluate(f"{seek} 1.5")
    visitor.until(DRAWN)
    visitor.evaluate(f"{seek} 0.5")
    visitor.until(f"!{DRAWN}")


def test_a_row_is_one_tab_stop_and_the_arrow_keys_go_along_it(
    works: RunningServer, visit: Visit, dark_light_dark: Path
) -> None:
    visitor = analysed(visit, works, dark_light_dark, black=True, silence=True)
    stops = (
        "[...document.querySelectorAll('.timeline-row')].map((one) => one.querySelectorAll('[tabindex=\"0\"]').length)"
    )
    black = visitor.page.get_by_role("button", name="Black from")

    black.first.focus()
    visitor.page.keyboard.press("ArrowRight")
    expect(black.nth(1)).to_be_focused()
    visitor.page.keyboard.press("Enter")

    visitor.until("document.querySelector('.stage video').currentTime > 1.8")
    visitor.until("!document.querySelector('.stage video').seeking")
    assert visitor.evaluate(stops) == [1, 1]
    assert serious_findings(visitor) == []
