"""Who may pass a waiter that does not fit, for how long, and that it is served in the end."""

from __future__ import annotations

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.priority import Priority
from app.memory.budget import MemoryBudget
from tests.memory.virtual_time import settle, virtual
from tests.memory.work import Work, make_budget


@virtual
async def test_small_work_passes_a_large_waiter_only_for_a_while() -> None:
    budget = make_budget(100, overtake_seconds=2, wait_seconds=60)
    Work(budget, 50, seconds=1.5)
    large = Work(budget, 90, client="large")
    await asyncio.sleep(1)
    running = Work(budget, 50, client="small")
    await asyncio.sleep(0.6)
    early = Work(budget, 5, client="small")
    await asyncio.sleep(0.9)

    late = Work(budget, 5, client="small")
    tried = budget.try_reserve({"tracker": 5}, owner="stream", priority=Priority.LIVE)
    await settle()

    assert early.is_running
    assert running.reservation is not None
    assert (tried, running.reservation.grow({"decode": 1})) == (None, False)
    assert late.is_waiting
    assert large.is_waiting
    assert budget.statistics().draining


@settings(max_examples=30, deadline=None)
@given(
    size=st.integers(1, 40),
    seconds=st.floats(0.05, 7.9),
    every=st.floats(0.05, 1.0),
    priority=st.sampled_from(Priority),
    large_priority=st.sampled_from(Priority),
)
def test_a_large_waiter_is_not_starved_by_a_stream_of_small_work(
    size: int, seconds: float, every: float, priority: Priority, large_priority: Priority
) -> None:
    @virtual
    async def granted_after() -> float | None:
        budget = make_budget(100, overtake_seconds=2, wait_seconds=120, max_waiting=10_000)
        stream = asyncio.create_task(arrivals(budget, size, priority, seconds, every))
        await asyncio.sleep(10)
        arrived_at = asyncio.get_running_loop().time()
        large = Work(budget, 95, large_priority, "large")
        await asyncio.sleep(100)
        stream.cancel()
        return None if large.granted_at is None else large.granted_at - arrived_at

    after = granted_after()

    # At most three times at the head (2 + 2, 4 + 4, 8 + 8 seconds), and the five other clients in between.
    assert after is not None
    assert after <= 60


async def arrivals(budget: MemoryBudget, size: int, priority: Priority, seconds: float, every: float) -> None:
    for number in range(100_000):
        Work(budget, size, priority, f"client {number % 5}", seconds=seconds)
        await asyncio.sleep(every)


@virtual
async def test_what_will_not_leave_stops_nobody() -> None:
    budget = make_budget(100, overtake_seconds=2, wait_seconds=1000)
    model = budget.try_reserve({"model": 50}, owner="worker", priority=Priority.REQUEST)
    assert model is not None
    await asyncio.sleep(10)
    large = Work(budget, 60, Priority.BATCH, "job")

    waited: list[float] = []
    for _ in range(100):
        asked_at = asyncio.get_running_loop().time()
        small = Work(budget, 20, Priority.LIVE, "stream", seconds=0.2)
        await asyncio.wait([small.task])
        assert small.granted_at is not None
        waited.append(small.granted_at - asked_at)
    model.release()
    await settle()

    assert max(waited) == 0
    assert large.is_running


@virtual
async def test_a_drain_that_does_not_help_ends() -> None:
    budget = make_budget(100, overtake_seconds=2, wait_seconds=1000)
    Work(budget, 50)  # young, but it never ends
    large = Work(budget, 60, client="large")
    await asyncio.sleep(1.9)
    small = Work(budget, 60, client="other")
    tiny = Work(budget, 10, client="tiny")

    await asyncio.sleep(6)

    assert tiny.is_running
    assert large.is_waiting
    assert small.is_waiting


@virtual
async def test_another_class_is_served_after_a_waiter_that_cannot_be() -> None:
    budget = make_budget(100, overtake_seconds=2, wait_seconds=1000, max_waiting=10_000)
    model = budget.try_reserve({"model": 40}, owner="worker", priority=Priority.REQUEST)
    assert model is not None
    await asyncio.sleep(100)
    impossible = Work(budget, 70, Priority.LIVE, "stream")
    stream = asyncio.create_task(arrivals(budget, 12, Priority.REQUEST, 1.0, 0.1))
    await asyncio.sleep(1)

    possible = Work(budget, 60, Priority.REQUEST, "large")
    await asyncio.sleep(100)
    stream.cancel()

    assert possible.granted_at is not None
    assert impossible.is_waiting
    model.release()


@virtual
async def test_the_next_one_is_served_when_the_head_is_gone() -> None:
    budget = make_budget(100, overtake_seconds=2, wait_seconds=1000)
    Work(budget, 60, seconds=1)
    large = Work(budget, 90, client="large")
    await asyncio.sleep(0.9)
    running = Work(budget, 40, client="other")
    await asyncio.sleep(1.5)
    blocked = Work(budget, 50, client="blocked")
    await settle()
    assert running.is_running
    assert blocked.is_waiting

    large.task.cancel()
    await settle()

    assert blocked.is_running
    running.finish()
