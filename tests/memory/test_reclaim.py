"""Who is asked for memory, in which order, and what happens when one of them fails."""

from __future__ import annotations

import asyncio

import pytest

from app.memory.reclaim import ReclaimCallback, ReclaimPriority, ReclaimRegistry
from tests.memory.virtual_time import settle, virtual


class Source:
    """Memory that can be freed; knows what it was asked for."""

    def __init__(self, nbytes: int) -> None:
        self.nbytes = nbytes
        self.asked: list[int | None] = []

    def free(self, wanted_bytes: int | None) -> int:
        self.asked.append(wanted_bytes)
        freed_bytes = self.nbytes if wanted_bytes is None else min(self.nbytes, wanted_bytes)
        self.nbytes -= freed_bytes
        return freed_bytes

    async def free_slowly(self, wanted_bytes: int | None) -> int:
        await asyncio.sleep(1)
        return self.free(wanted_bytes)


def make_registry(**reclaimers: tuple[int, ReclaimCallback]) -> ReclaimRegistry:
    registry = ReclaimRegistry(timeout_seconds=5, clock=asyncio.get_running_loop().time)
    for name, (priority, callback) in reclaimers.items():
        registry.register(name, priority, callback)
    return registry


@virtual
async def test_the_cheapest_are_asked_first() -> None:
    names = ("TRIM", "CACHE", "GARBAGE", "IDLE_MODELS")
    registry = make_registry(**{name: (ReclaimPriority[name], Source(1).free) for name in names})

    report = await registry.reclaim()

    assert [entry.name for entry in report] == ["CACHE", "IDLE_MODELS", "GARBAGE", "TRIM"]


@virtual
async def test_a_run_stops_when_enough_is_free() -> None:
    cache, models, workers = Source(30), Source(50), Source(50)
    registry = make_registry(cache=(1, cache.free), models=(2, models.free_slowly), workers=(3, workers.free))

    report = await registry.reclaim(60)

    assert [(entry.name, entry.freed_bytes, entry.seconds) for entry in report] == [("cache", 30, 0), ("models", 30, 1)]
    assert (cache.asked, models.asked, workers.asked) == ([60], [30], [])


@virtual
async def test_a_failing_reclaimer_does_not_stop_the_rest(caplog: pytest.LogCaptureFixture) -> None:
    def fail(_: int | None) -> int:
        raise ZeroDivisionError

    async def give_up(_: int | None) -> int:
        raise asyncio.CancelledError

    registry = make_registry(broken=(1, fail), given_up=(2, give_up), cache=(3, Source(5).free))

    report = await registry.reclaim()

    assert [(entry.name, entry.freed_bytes, entry.error) for entry in report] == [
        ("broken", 0, "ZeroDivisionError"),
        ("given_up", 0, "CancelledError"),
        ("cache", 5, None),
    ]
    assert "reclaimer 'broken' failed" in caplog.text


@virtual
async def test_a_hanging_reclaimer_does_not_stop_the_rest(caplog: pytest.LogCaptureFixture) -> None:
    async def hang(_: int | None) -> int:
        await asyncio.get_running_loop().create_future()
        return 1

    registry = make_registry(hanging=(1, hang), cache=(2, Source(5).free))

    report = await registry.reclaim()

    assert [(entry.name, entry.freed_bytes, entry.error) for entry in report] == [
        ("hanging", 0, "timeout"),
        ("cache", 5, None),
    ]
    assert report[0].seconds == pytest.approx(5, abs=0.01)
    assert "'hanging' failed (timeout)" in caplog.text


@virtual
async def test_a_reclaimer_is_asked_once_in_its_interval() -> None:
    source = Source(100)
    registry = make_registry()
    registry.register("trim", 1, source.free, min_interval_seconds=10)

    runs = []
    for _ in range(3):
        runs.append(len(await registry.reclaim(1)))
        await asyncio.sleep(6)

    assert runs == [1, 0, 1]


@virtual
async def test_a_reclaimer_can_be_taken_out() -> None:
    registry = make_registry(cache=(1, Source(1).free))
    unregister = registry.register("models", 2, Source(1).free)

    unregister()
    unregister()

    assert [entry.name for entry in await registry.reclaim()] == ["cache"]


@virtual
async def test_calls_during_a_run_share_it_or_the_next_one() -> None:
    source = Source(100)
    registry = make_registry(models=(1, source.free_slowly))

    reports = await asyncio.gather(*(registry.reclaim(wanted) for wanted in (20, 10, 30, 50, 40)))

    assert source.asked == [20, 50]
    assert [report[0].freed_bytes for report in reports] == [20, 20, 50, 50, 50]
    assert registry.statistics().runs == 2


@virtual
async def test_a_run_never_overlaps_another() -> None:
    running, most = 0, 0

    async def watch(_: int | None) -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(1)
        running -= 1
        return 1

    registry = make_registry(watched=(1, watch))
    calls = []
    for number in range(20):
        calls.append(asyncio.create_task(registry.reclaim(number)))
        await asyncio.sleep(0.25)
    await asyncio.gather(*calls)

    assert most == 1


@virtual
async def test_a_run_goes_on_when_its_caller_is_cancelled() -> None:
    source = Source(7)
    registry = make_registry(models=(1, source.free_slowly))
    caller = asyncio.create_task(registry.reclaim())
    await settle()

    caller.cancel()
    await asyncio.sleep(2)

    assert caller.cancelled()
    assert registry.statistics().freed_bytes == 7


@virtual
async def test_closing_ends_what_runs() -> None:
    source = Source(7)
    registry = make_registry(models=(1, source.free_slowly))
    callers = [asyncio.create_task(registry.reclaim(wanted)) for wanted in (1, 2)]
    await settle()

    await registry.aclose()
    await settle()

    assert all(caller.cancelled() for caller in callers)
    assert source.asked == []


@virtual
async def test_the_totals_count_all_runs() -> None:
    registry = make_registry(cache=(1, Source(30).free))
    before = registry.statistics()

    await registry.reclaim(10)
    await registry.reclaim()

    after = registry.statistics()
    assert (before.runs, before.freed_bytes, before.last_at) == (0, 0, None)
    assert (after.runs, after.freed_bytes) == (2, 30)
    assert after.last_at is not None
    assert after.last_at.tzinfo is not None
