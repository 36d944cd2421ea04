"""What is granted, and what is left behind."""

from __future__ import annotations

import asyncio
import gc
from itertools import pairwise

import pytest

from app.domain.priority import Priority
from app.memory.budget import MemoryBudget
from tests.memory.virtual_time import settle, virtual
from tests.memory.work import Work, WorkingSet, make_budget


@virtual
async def test_a_reservation_is_given_back_when_the_block_ends() -> None:
    budget = make_budget()

    async with budget.reserve({"model": 30, "decode": 20}, owner="hands", priority=Priority.REQUEST) as reservation:
        inside = budget.statistics()

    assert (reservation.owner, inside.reserved_bytes, inside.promised_bytes) == ("hands", 50, 50)
    assert reservation.is_released
    budget.check_empty()


@virtual
async def test_a_reservation_is_given_back_when_the_block_fails() -> None:
    budget = make_budget()

    with pytest.raises(ZeroDivisionError):
        async with budget.reserve({"decode": 20}, owner="resize", priority=Priority.REQUEST):
            raise ZeroDivisionError

    budget.check_empty()


@virtual
async def test_memory_that_others_took_is_not_granted() -> None:
    working_set = WorkingSet(70)
    budget = make_budget(100, working_set)
    work = Work(budget, 40)
    await settle()
    assert work.is_waiting

    working_set.nbytes = 60
    budget.refresh()
    await settle()

    assert work.is_running


@virtual
async def test_bytes_that_were_seen_are_not_counted_twice() -> None:
    budget = make_budget(100, WorkingSet(50))
    worker = budget.try_reserve({"model": 50}, owner="worker", priority=Priority.REQUEST)
    assert worker is not None
    before = budget.free_bytes

    worker.observe(50)

    assert (before, budget.free_bytes) == (0, 50)


@virtual
async def test_seeing_a_holder_serves_waiters() -> None:
    budget = make_budget(100, WorkingSet(50))
    worker = budget.try_reserve({"model": 50}, owner="worker", priority=Priority.REQUEST)
    assert worker is not None
    work = Work(budget, 50)
    await settle()
    assert work.is_waiting

    worker.observe(50)
    await settle()

    assert work.is_running
    worker.release()


@virtual
async def test_waiters_do_not_see_half_a_sample() -> None:
    working_set = WorkingSet(80)
    budget = make_budget(100, working_set)
    first = budget.hold({"base": 10}, owner="api")
    second = budget.hold({"model": 40}, owner="worker")
    first.observe(10)
    second.observe(40)
    work = Work(budget, 30)
    await settle()

    working_set.nbytes = 40  # the worker gave back what it had, but may take it again at any time
    first.observe(10)
    second.observe(0)
    await settle()

    assert work.is_waiting
    assert budget.free_bytes == 20


@virtual
async def test_try_reserve_never_waits() -> None:
    budget = make_budget(100)

    granted = budget.try_reserve({"tracker": 60}, owner="stream", priority=Priority.LIVE)
    refused = budget.try_reserve({"tracker": 60}, owner="stream", priority=Priority.LIVE)

    assert granted is not None
    assert refused is None
    granted.release()
    budget.check_empty()


@virtual
async def test_a_task_that_holds_must_not_wait_for_more() -> None:
    budget = make_budget(100)

    async with budget.reserve({"decode": 10}, owner="outer", priority=Priority.REQUEST) as outer:
        with pytest.raises(RuntimeError, match="must not wait"):
            async with budget.reserve({"decode": 10}, owner="inner", priority=Priority.REQUEST):
                pass
        outer.release()
        async with budget.reserve({"decode": 10}, owner="next", priority=Priority.REQUEST) as after:
            assert after.reserved_bytes == 10

    budget.check_empty()


@virtual
async def test_a_cancelled_waiter_leaves_the_line() -> None:
    budget = make_budget(100)
    running = Work(budget, 60)
    waiting, behind = Work(budget, 100, client="a"), Work(budget, 50, client="a")
    await settle()

    waiting.task.cancel()
    running.finish()
    await settle()

    assert waiting.task.cancelled()
    assert behind.is_running
    assert budget.statistics().cancelled_total == 1


@virtual
async def test_a_waiter_cancelled_in_the_moment_of_its_grant_leaves_nothing() -> None:
    budget = make_budget(100)
    reservation = budget.try_reserve({"cache": 100}, owner="cache", priority=Priority.REQUEST)
    assert reservation is not None
    waiting = Work(budget, 100)
    await settle()

    reservation.release()
    granted_bytes = budget.reserved_bytes
    waiting.task.cancel()
    await settle()

    assert granted_bytes == 100
    budget.check_empty()


@virtual
async def test_a_lost_reservation_is_logged_and_taken_back(caplog: pytest.LogCaptureFixture) -> None:
    budget = make_budget(100)
    lost = budget.try_reserve({"decode": 40}, owner="somebody", priority=Priority.REQUEST)
    assert lost is not None

    del lost
    gc.collect()
    budget.refresh()

    assert [record.getMessage() for record in caplog.records] == [
        "a reservation of 40 bytes by 'somebody' was never released"
    ]
    assert (budget.reserved_bytes, budget.statistics().leaked_total) == (0, 1)
    with pytest.raises(AssertionError, match="leaked: 1"):
        budget.check_empty()


@virtual
async def test_what_is_left_is_named() -> None:
    budget = make_budget(100)
    left = budget.try_reserve({"decode": 40}, owner="somebody", priority=Priority.REQUEST)
    assert left is not None

    with pytest.raises(AssertionError, match="somebody: 40"):
        budget.check_empty()

    left.release()
    budget.check_empty()


@virtual
async def test_idle_holders_are_asked_to_give_way() -> None:
    missing: list[tuple[float, int]] = []
    loop = asyncio.get_running_loop()
    budget = make_budget(100, on_shortage=lambda nbytes: missing.append((loop.time(), nbytes)))
    idle = budget.try_reserve({"model": 70}, owner="worker", priority=Priority.REQUEST)
    assert idle is not None
    waiting = Work(budget, 50)
    for _ in range(10):
        await asyncio.sleep(0.1)
        budget.refresh()

    idle.release()
    await asyncio.sleep(1)

    assert waiting.is_running
    assert {nbytes for _, nbytes in missing} == {20}
    assert all(later - earlier >= 0.249 for (earlier, _), (later, _) in pairwise(missing))
    assert 3 <= len(missing) <= 5


@virtual
async def test_a_failing_shortage_hook_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    def fail(_: int) -> None:
        raise ZeroDivisionError

    budget = make_budget(100, on_shortage=fail)
    running, waiting = Work(budget, 70), Work(budget, 50)
    await asyncio.sleep(0.1)
    running.finish()
    await settle()

    assert waiting.is_running
    assert "the shortage hook failed" in caplog.text


def test_the_statistics_show_every_holder() -> None:
    now = [5.0]
    budget = MemoryBudget(100, working_set=WorkingSet(45), clock=lambda: now[0])
    base_line = budget.hold({"base": 40}, owner="api")
    base_line.observe(45)
    now[0] = 8.0
    cache = budget.try_reserve({"cache": 20}, owner="cache", priority=Priority.REQUEST)
    assert cache is not None

    seen = budget.statistics()

    assert [(h.owner, h.reserved_bytes, h.resident_bytes, h.age_seconds) for h in seen.holders] == [
        ("api", 40, 45, 3.0),
        ("cache", 20, 0, 0.0),
    ]
    assert (seen.reserved_bytes, seen.promised_bytes, seen.free_bytes, seen.limit_bytes) == (60, 20, 35, 60)
    cache.release()
    base_line.release()


async def test_what_a_permanent_holder_grows_by_refuses_nothing_for_ever() -> None:
    budget = MemoryBudget(100, working_set=lambda: 0)
    connections = budget.hold({"base": 10}, owner="connections")
    assert connections.grow({"one": 40})

    assert budget.limit_bytes == 90
    waiting = asyncio.create_task(budget.reserve({"all": 90}, owner="work", priority=Priority.REQUEST).__aenter__())
    await asyncio.sleep(0)
    connections.shrink(40)

    (await waiting).release()
    connections.shrink(10)
    assert budget.limit_bytes == 100
    connections.release()
    budget.check_empty()
