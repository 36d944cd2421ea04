from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.units import MIB
from soak.plot import draw
from soak.tally import Tally, percentile
from soak.verdict import Verdict, judge, render, slope_bytes
from soak.watch import Sample, Watched

LIMIT = 300 * MIB


def sample(photos: int = 0, **changes: object) -> Sample:
    quiet = Sample(
        at_seconds=photos / 10,
        photos_done=photos,
        working_set_bytes=150 * MIB,
        uncharged_bytes=0,
        reserved_bytes=200 * MIB,
        unaccounted_bytes=5 * MIB,
        tree_rss_bytes=190 * MIB,
        api_rss_bytes=60 * MIB,
        level="LOW",
    )
    return replace(quiet, **changes)  # type: ignore[arg-type]


def good_tally(photos: int = 1000) -> Tally:
    tally = Tally(started=0.0, ended=100.0, photos_done=photos, first_try=int(photos * 0.96))
    tally.photo_answers = Counter({"200": 1000, "503 overloaded": 40})
    tally.live_seconds = [0.001] * 99 + [0.040]
    tally.upload_status, tally.upload_seconds, tally.uploaded_bytes = 201, 2.0, 1024 * MIB
    return tally


def good_seen() -> Watched:
    return Watched([sample(photos) for photos in range(0, 1001, 10)], levels=[(0.0, "LOW", [])])


def failures(verdict: Verdict) -> set[str]:
    return {row.name for row in verdict.rows if row.passed is False}


def test_a_run_that_keeps_every_promise_passes() -> None:
    verdict = judge(good_tally(), good_seen(), LIMIT, [], ["in a group"])

    assert verdict.passed
    assert render(verdict).endswith("note: in a group\npassed")


def test_each_broken_promise_fails_its_own_row() -> None:
    tally, seen = good_tally(), good_seen()
    tally.first_try = 949
    tally.lost.append("photo at 3 s")
    tally.wrong_answers["500 worker_failed"] = 1
    tally.live_seconds = [0.051] * 10
    tally.upload_status = 507
    seen.oom_kills = 1
    seen.levels.append((5.0, "CRITICAL", ["working set"]))
    seen.samples.append(sample(1000, working_set_bytes=271 * MIB, unaccounted_bytes=46 * MIB))

    verdict = judge(tally, seen, LIMIT, ["vision:hands"], [])

    assert failures(verdict) == {
        "OOM kills",
        "peak working set",
        "highest level",
        "unaccounted, at most",
        "200 on the first try",
        "other answers",
        "lost connections",
        "upload",
        "/health/live p50/p95/p99",
        "left behind",
    }
    assert "failed: OOM kills, peak" in render(verdict)


def test_a_service_that_was_never_reached_fails() -> None:
    assert not judge(Tally(), Watched(), LIMIT, [], []).passed


def test_file_pages_that_others_loaded_count_in_the_peak() -> None:
    seen = good_seen()
    seen.samples.append(sample(1000, working_set_bytes=240 * MIB, uncharged_bytes=40 * MIB))

    row = judge(good_tally(), seen, LIMIT, [], []).row("peak working set")

    assert row.passed is False
    assert "280 with files others loaded" in row.found


def test_a_heap_that_grows_after_the_warm_up_fails_and_one_that_grew_before_does_not() -> None:
    growing, warming = Watched(), Watched()
    for photos in range(0, 3001, 10):
        growing.samples.append(sample(photos, tree_rss_bytes=100_000_000 + photos * 2500))
        warming.samples.append(sample(photos, tree_rss_bytes=100_000_000 if photos < 600 else 190_000_000))

    grown, warmed = (judge(good_tally(3000), seen, LIMIT, [], []) for seen in (growing, warming))

    assert failures(grown) == {"RSS slope, tree"}
    assert "+2.5 MB / 1000 photos" in grown.row("RSS slope, tree").found
    assert warmed.passed


@pytest.mark.parametrize(("photos", "passed"), [(1000, None), (2999, None), (3000, False)])
def test_the_slope_of_a_short_run_is_told_and_not_judged(photos: int, passed: bool | None) -> None:
    seen = Watched([sample(done, tree_rss_bytes=done * 4000) for done in range(0, photos - 10, 10)])

    row = judge(good_tally(photos), seen, LIMIT, [], []).row("RSS slope, tree")

    assert row.passed is passed
    assert "+4.0 MB / 1000 photos" in row.found


@given(st.floats(-100, 100), st.floats(-100, 100), st.sets(st.integers(0, 1000), min_size=2, max_size=20))
def test_the_slope_of_a_line_is_its_slope(slope: float, offset: float, places: set[int]) -> None:
    assert slope_bytes([(x, slope * x + offset) for x in places]) == pytest.approx(slope, abs=1e-6)


def test_a_slope_needs_two_places() -> None:
    assert slope_bytes([]) == slope_bytes([(1, 5), (1, 9)]) == 0


@given(st.lists(st.floats(0, 100), min_size=1), st.floats(0.01, 1))
def test_a_percentile_is_a_value_that_this_share_does_not_exceed(values: list[float], share: float) -> None:
    found = percentile(values, share)

    assert found in values
    assert sum(value <= found for value in values) >= share * len(values) - 1e-9


def test_percentiles_of_a_hundred_values() -> None:
    values = [float(number) for number in range(1, 101)]

    assert [percentile(values, share) for share in (0.5, 0.95, 0.99, 1.0)] == [50, 95, 99, 100]
    assert percentile([], 0.5) == 0


def test_the_plot_is_svg_with_every_curve_the_limit_and_a_bar_for_each_stretch_of_level() -> None:
    levels = ["LOW"] * 5 + ["HIGH"] * 3 + ["LOW"] * 2
    samples = [sample(10 * number, level=level) for number, level in enumerate(levels)]

    root = ElementTree.fromstring(draw(samples, LIMIT, (0.7, 0.8, 0.9), "photos & <more>"))

    name = "{http://www.w3.org/2000/svg}"
    curves = [line.get("class", "").split()[1] for line in root.findall(f"{name}polyline")]
    bars = [bar.get("class") for bar in root.findall(f"{name}rect") if bar.get("height") == "14"]
    words = [text.text for text in root.findall(f"{name}text")]
    assert curves == ["working", "ledger", "tree", "api"]
    assert all(len(line.get("points", "").split()) == 10 for line in root.findall(f"{name}polyline"))
    assert bars == ["LOW", "HIGH", "LOW"]
    assert "limit 300 MiB" in words
    assert "photos & <more>" in words
    assert "prefers-color-scheme: dark" in (root.findtext(f"{name}style") or "")


def test_a_plot_of_nothing_is_still_a_plot() -> None:
    assert ElementTree.fromstring(draw([], LIMIT, (0.7,), "nothing")).tag.endswith("svg")
