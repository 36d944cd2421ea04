"""Parts of videos to be cut: a strip of frames that is pressed, dragged and walked with keys."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Locator, expect

from tests.browser.test_access import serious_findings
from tests.browser.test_jobs import clip, form, store
from tests.browser.visitor import Visitor
from tests.e2e.server import RunningServer, run_server

__all__ = ["clip"]

pytestmark = [pytest.mark.photo, pytest.mark.timeout(240)]

Visit = Callable[..., Visitor]

AT = "document.querySelector('.segment-video').currentTime"


@pytest.fixture(scope="module")
def works(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A service that takes jobs in, and does none."""
    with run_server(tmp_path_factory.mktemp("works"), {"JOBS__RUN": "false"}) as server:
        yield server


@pytest.fixture
def cutting(works: RunningServer, visit: Visit, clip: Path) -> Visitor:
    return editor(visit, works, store(works, clip))


def editor(visit: Visit, works: RunningServer, media_ids: str) -> Visitor:
    visitor = form(visit, works, media_ids)
    visitor.page.get_by_label("What", exact=True).select_option("clip")
    visitor.until("document.querySelector('.segment-video').readyState >= 1")
    visitor.page.locator(".strip-frame").first.scroll_into_view_if_needed()
    return visitor


def point(strip: Locator, share: float) -> tuple[float, float]:
    box = strip.bounding_box()
    assert box is not None
    return box["x"] + share * box["width"], box["y"] + box["height"] / 2


def sent(visitor: Visitor) -> list[dict[str, object]]:
    """Submit, and return the segments as the service has them."""
    visitor.button("Start").click()
    expect(visitor.page.locator(".job.followed")).to_be_visible(timeout=30000)
    job_id = visitor.page.url.rpartition("/")[2]
    segments: list[dict[str, object]] = httpx.get(f"{visitor.server.url}/v1/jobs/{job_id}").json()["params"]["segments"]
    return segments


def test_a_press_on_the_strip_goes_to_that_time(cutting: Visitor) -> None:
    x, y = point(cutting.page.locator(".strip-frame"), 0.75)

    cutting.page.mouse.click(x, y)

    cutting.until(f"Math.abs({AT} - 1.5) < 0.05")


def test_the_end_of_a_part_is_dragged(cutting: Visitor) -> None:
    strip = cutting.page.locator(".strip-frame")
    handle = cutting.page.get_by_role("slider", name="End of part 1")
    x, y = point(handle, 0.5)
    to, _ = point(strip, 0.75)

    cutting.page.mouse.move(x, y)
    cutting.page.mouse.down()
    cutting.page.mouse.move(to - 5, y)
    cutting.page.mouse.move(to, y)
    cutting.page.mouse.up()

    (segment,) = sent(cutting)
    assert segment["start"] == 0
    assert segment["end"] == pytest.approx(1.5, abs=0.03)


def test_the_ends_are_moved_by_the_arrow_keys_frame_by_frame(cutting: Visitor) -> None:
    start = cutting.page.get_by_role("slider", name="Start of part 1")

    start.focus()
    for _ in range(3):
        cutting.page.keyboard.press("ArrowRight")
    cutting.page.get_by_role("slider", name="End of part 1").focus()
    cutting.page.keyboard.press("End")

    expect(start).to_have_attribute("aria-valuenow", "0.3")
    assert serious_findings(cutting) == []
    assert sent(cutting) == [{"start": 0.3, "end": 2}]


def test_a_start_that_is_written_behind_the_end_takes_the_end_with_it(cutting: Visitor) -> None:
    cutting.page.get_by_label("Part 1, end, seconds").fill("0.5")
    cutting.page.get_by_label("Part 1, start, seconds").fill("1.2")
    cutting.page.get_by_label("Part 1, start, seconds").blur()

    assert sent(cutting) == [{"start": 1.2, "end": 1.7}]


def test_parts_of_two_videos_are_put_in_order_and_say_their_video(
    works: RunningServer, visit: Visit, clip: Path
) -> None:
    first, second = store(works, clip), store(works, clip)
    visitor = editor(visit, works, f"{first},{second}")
    expect(visitor.page.locator(".strip-frame")).to_have_count(2)

    visitor.page.get_by_role("button", name="Part 2: earlier").click()
    visitor.button("Add a part").click()
    visitor.page.get_by_label("Part 3, video").select_option("1")
    visitor.page.get_by_label("Part 3, start, seconds").fill("1")
    visitor.page.get_by_label("Part 3, start, seconds").blur()

    assert sent(visitor) == [
        {"start": 0, "end": 2, "input": second},
        {"start": 0, "end": 2, "input": first},
        {"start": 1, "end": 2, "input": second},
    ]


def test_the_prediction_goes_with_the_parameters(works: RunningServer, visit: Visit, clip: Path) -> None:
    visitor = form(visit, works, store(works, clip))
    visitor.page.get_by_label("What", exact=True).select_option("transcode")
    words = visitor.page.locator("[aria-label='New job'] .note", has_text="of memory and")
    expect(words).to_be_visible(timeout=60000)
    before = words.inner_text()

    visitor.page.locator("select[name='videoCodec']").select_option("av1")
    visitor.page.locator("select[name='videoCodec']").blur()

    expect(words).not_to_have_text(before, timeout=30000)
