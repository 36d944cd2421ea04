"""The last hour of the service's memory: marks, gaps and named levels in the chart, all that happened; and what if."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.visitor import Visitor
from tests.e2e.server import RunningServer

Visit = Callable[..., Visitor]

INTERVALS = 60
GAP = range(20, 30)


def _mark(at: datetime, kind: str, **more: Any) -> dict[str, Any]:
    return {"at": at.isoformat(), "kind": kind, **more}


def _history(marks: int = 2) -> dict[str, Any]:
    """A history of five minutes with a time in which nothing was measured."""
    start = datetime.now(UTC) - timedelta(seconds=5 * INTERVALS)
    row = [None if index in GAP else (50 << 20) + index for index in range(INTERVALS)]
    events = [_mark(start + timedelta(seconds=20), "level", level="HIGH", reasons=["working set"])]
    sheds = range(marks - 1)
    events += [_mark(start + timedelta(seconds=40 + at), "shed", reason="timeout", count=at + 1) for at in sheds]
    return {
        "startedAt": start.isoformat(),
        "intervalSeconds": 5,
        "workingSetBytes": row,
        "holders": {"api": [30 << 20] * INTERVALS},
        "marks": events,
    }


def _with_history(server: RunningServer, visit: Visit, history: dict[str, Any]) -> Visitor:
    visitor = visit(server, "photos")
    visitor.page.route("**/v1/memory/history*", lambda route: route.fulfill(json=history))
    visitor.page.get_by_role("link", name="Memory").click()
    expect(visitor.page.locator("svg.chart .mark").first).to_be_attached(timeout=20000)
    return visitor


def test_changes_of_level_and_sheds_are_marks_in_the_chart(server: RunningServer, visit: Visit) -> None:
    visitor = _with_history(server, visit, _history())
    marks = visitor.page.locator("svg.chart .mark")

    expect(marks).to_have_count(2)
    assert sorted(marks.locator("title").all_text_contents(), key=lambda words: "refused" in words)[1].endswith(
        "1 refused: their bytes did not become free in time"
    )
    expect(visitor.page.locator("svg.chart .mark.red")).to_have_count(1)
    expect(visitor.page.locator("svg.chart .mark.orange")).to_have_count(1)


def test_where_nothing_was_measured_the_curve_has_a_gap(server: RunningServer, visit: Visit) -> None:
    visitor = _with_history(server, visit, _history())

    path = visitor.page.locator("svg.chart path.curve").get_attribute("d") or ""

    assert path.count("M") == 2
    xs = [[float(x) for x in re.findall(r"([\d.]+) [\d.]+", piece)] for piece in path.split("M")[1:]]
    assert xs[1][0] - xs[0][-1] > 5 * (xs[0][1] - xs[0][0])


def test_each_level_has_its_name_and_a_line_of_its_own(server: RunningServer, visit: Visit) -> None:
    visitor = _with_history(server, visit, _history())

    names = visitor.page.locator("svg.chart .line-name").all_text_contents()
    colours = visitor.evaluate(
        "[...document.querySelectorAll('svg.chart .threshold')].map((one) => getComputedStyle(one).stroke)"
    )

    assert names == ["MODERATE", "HIGH", "CRITICAL", "limit"]
    assert len(set(colours)) == 3


def test_all_that_happened_can_be_seen(server: RunningServer, visit: Visit) -> None:
    visitor = _with_history(server, visit, _history(marks=12))
    rows = visitor.page.locator(".happened li")

    expect(rows).to_have_count(8)
    visitor.button("Show all 12").click()

    expect(rows).to_have_count(12)
    visitor.button("Show fewer").click()
    expect(rows).to_have_count(8)


@pytest.mark.parametrize(("stride", "words"), [(2, "every 2nd frame"), (3, "every 3rd frame"), (4, "every 4th frame")])
def test_what_if_says_whether_it_fits_and_how_it_would_be_done(
    server: RunningServer, visit: Visit, stride: int, words: str
) -> None:
    visitor = visit(server, "memory")
    visitor.page.get_by_label("File, MiB").fill("10")
    with server.client() as client:
        advice = client.get("/v1/memory/advice?bytes=10485760&width=4000&height=3000").json()
    visitor.button("Ask").click()
    expect(visitor.page.get_by_text("It would fit now")).to_be_visible()

    visitor.page.route(
        "**/v1/memory/advice*", lambda route: route.fulfill(json=advice | {"frameStride": stride, "fits": False})
    )
    visitor.button("Ask").click()

    expect(visitor.page.get_by_text("It would have to wait")).to_be_visible()
    expect(visitor.page.get_by_text(words)).to_be_visible()
