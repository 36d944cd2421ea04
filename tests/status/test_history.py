"""The last hour of memory: peaks are kept, gaps are told, and it never grows."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from app.domain.priority import Priority
from app.domain.units import MIB
from app.memory.governor import Governor
from app.status.history import INTERVAL_SECONDS, INTERVALS, MAX_OWNERS, OTHERS, LevelMark, MemoryHistory, ShedMark
from tests.memory.gauges import LIMIT_BYTES, FakeGauge, make_governor


@pytest.fixture
def gauge() -> FakeGauge:
    gauge = FakeGauge()
    gauge.now = 100_000.0
    return gauge


@pytest.fixture
def governor(tmp_path: Path, gauge: FakeGauge) -> Governor:
    return make_governor(tmp_path, gauge)


@pytest.fixture
def history(governor: Governor) -> MemoryHistory:
    return MemoryHistory(governor)


def after(gauge: FakeGauge, history: MemoryHistory, seconds: float, share: float) -> None:
    """Let time pass, measure, and look."""
    assert gauge.now is not None
    gauge.now += seconds
    gauge.share = share
    history._governor.measure()
    history.look()


async def test_a_peak_between_two_lower_samples_stays(gauge: FakeGauge, history: MemoryHistory) -> None:
    for share in (0.1, 0.6, 0.2):
        after(gauge, history, 0.5, share)

    view = history.view(60)

    assert list(view.working_set_bytes)[-1] == int(0.6 * LIMIT_BYTES)
    assert view.limit_bytes[-1] == LIMIT_BYTES


async def test_intervals_without_a_measurement_are_none(gauge: FakeGauge, history: MemoryHistory) -> None:
    after(gauge, history, 0, 0.1)
    after(gauge, history, 3 * INTERVAL_SECONDS, 0.3)

    peaks = history.view(60).working_set_bytes

    assert list(peaks) == [int(0.1 * LIMIT_BYTES), None, None, int(0.3 * LIMIT_BYTES)]


async def test_it_holds_an_hour_and_no_more(gauge: FakeGauge, history: MemoryHistory) -> None:
    for _ in range(INTERVALS + 50):
        after(gauge, history, INTERVAL_SECONDS, 0.2)

    view = history.view(INTERVAL_SECONDS * INTERVALS)

    assert len(view.working_set_bytes) == len(view.levels) == INTERVALS
    assert all(len(row) == INTERVALS for row in view.holders.values())
    assert None not in view.working_set_bytes


async def test_a_change_of_level_and_refusals_are_marks(
    gauge: FakeGauge, governor: Governor, history: MemoryHistory
) -> None:
    after(gauge, history, 1, 0.92)
    with pytest.raises(Exception, match="at most"):
        async with governor.budget.reserve({"all": LIMIT_BYTES * 2}, owner="images", priority=Priority.REQUEST):
            pass
    after(gauge, history, 1, 0.92)

    marks = history.view(60).marks

    assert [(mark.level, bool(mark.reasons)) for mark in marks if isinstance(mark, LevelMark)] == [("CRITICAL", True)]
    assert [(mark.reason, mark.count) for mark in marks if isinstance(mark, ShedMark)] == [("memory_exceeds_limit", 1)]
    assert history.view(60).levels[-1] == "CRITICAL"


async def test_owners_are_counted_by_kind_and_many_kinds_as_others(
    gauge: FakeGauge, governor: Governor, history: MemoryHistory
) -> None:
    holders = [governor.budget.hold({"part": MIB}, owner=f"kind{number} 7") for number in range(MAX_OWNERS + 5)]
    after(gauge, history, 1, 0.4)

    owners = history.view(60).holders

    assert len(owners) == MAX_OWNERS
    assert {"api", "kind0", OTHERS} <= owners.keys()
    for holder in holders:
        holder.release()
    await asyncio.sleep(0)
