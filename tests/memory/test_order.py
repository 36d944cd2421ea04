"""In which order classes and clients are served, and what happens to closed ones."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from app.domain.priority import Priority
from app.errors import Overloaded
from tests.memory.virtual_time import settle, virtual
from tests.memory.work import Work, make_budget


@virtual
async def grant_shares(sizes: dict[Priority, int], grants: int) -> dict[Priority, float]:
    """Keep every class waiting and return its share of the bytes of the first grants."""
    granted: list[Work] = []
    enough = asyncio.Event()
    budget = make_budget(100, max_waiting=100_000, wait_seconds=1e6)

    def replace(work: Work) -> None:
        granted.append(work)
        if len(granted) >= grants:
            enough.set()
        Work(budget, work.nbytes, work.priority, seconds=1, on_grant=replace)

    for priority, size in sizes.items():
        for _ in range(200 // size):
            Work(budget, size, priority, seconds=1, on_grant=replace)
    await enough.wait()

    taken: Counter[Priority] = Counter()
    for work in granted[:grants]:
        taken[work.priority] += work.nbytes
    return {priority: taken[priority] / taken.total() for priority in Priority}


@pytest.mark.parametrize(("live", "request_", "batch"), [(1, 1, 1), (2, 10, 40), (40, 5, 1)])
def test_classes_that_all_wait_get_bytes_by_weight(live: int, request_: int, batch: int) -> None:
    sizes = {Priority.LIVE: live, Priority.REQUEST: request_, Priority.BATCH: batch}

    shares = grant_shares(sizes, grants=6000)

    assert shares[Priority.LIVE] == pytest.approx(0.70, abs=0.03)
    assert shares[Priority.REQUEST] == pytest.approx(0.25, abs=0.03)
    assert shares[Priority.BATCH] == pytest.approx(0.05, abs=0.02)


@virtual
async def test_a_live_frame_goes_before_requests_that_wait_already() -> None:
    budget = make_budget(100)
    running = Work(budget, 100)
    requests = [Work(budget, 100) for _ in range(3)]
    await settle()
    live = Work(budget, 100, Priority.LIVE)
    await settle()
    # The first request is at the head already, so the frame comes after it and before the others.
    running.finish()
    await settle()
    requests[0].finish()
    await settle()

    assert live.is_running
    assert requests[1].is_waiting


@virtual
async def test_batch_work_is_served_while_frames_and_requests_keep_coming() -> None:
    budget = make_budget(100, max_waiting=1000, wait_seconds=1000)

    def again(work: Work) -> None:
        Work(budget, work.nbytes, work.priority, seconds=0.1, on_grant=again)

    for priority in (Priority.LIVE, Priority.REQUEST):
        for _ in range(40):
            Work(budget, 10, priority, seconds=0.1, on_grant=again)
    batch = Work(budget, 10, Priority.BATCH)

    await asyncio.sleep(5)

    assert batch.is_running


@virtual
async def test_a_client_is_served_in_its_own_order() -> None:
    order: list[int] = []
    budget = make_budget(100)
    Work(budget, 60, seconds=1)
    works = [
        Work(budget, size, client="a", seconds=1, on_grant=lambda w: order.append(w.nbytes)) for size in (90, 95, 91)
    ]

    await asyncio.sleep(5)

    assert order == [90, 95, 91]
    assert all(work.task.done() for work in works)


@virtual
async def test_the_small_requests_of_a_client_need_not_wait_for_its_large_one() -> None:
    """A client is an address: many may be behind one proxy."""
    order: list[int] = []
    budget = make_budget(100)
    Work(budget, 60, seconds=1)
    works = [
        Work(budget, size, client="a", seconds=1, on_grant=lambda w: order.append(w.nbytes)) for size in (90, 5, 6)
    ]

    await asyncio.sleep(5)

    assert order == [5, 6, 90]
    assert all(work.task.done() for work in works)


@virtual
async def test_one_greedy_client_does_not_starve_the_others() -> None:
    order: list[str] = []
    budget = make_budget(100, wait_seconds=1000)
    for client, count in (("greedy", 100), ("first", 2), ("second", 2)):
        for _ in range(count):
            Work(budget, 100, client=client, seconds=1, on_grant=lambda work: order.append(work.client))

    await asyncio.sleep(7.5)

    assert order == ["greedy", "greedy", "first", "second", "greedy", "first", "second", "greedy"]


@virtual
async def test_closed_requests_are_shed_and_closed_batches_wait() -> None:
    budget = make_budget(100, wait_seconds=60)
    running = Work(budget, 80)
    request, batch = Work(budget, 100), Work(budget, 90, Priority.BATCH)
    await settle()

    budget.set_closed({Priority.REQUEST, Priority.BATCH})
    await settle()
    late, live = Work(budget, 1), Work(budget, 1, Priority.LIVE)
    tried = budget.try_reserve({"cache": 1}, owner="cache", priority=Priority.BATCH)
    running.finish()
    await settle()

    for shed in (request, late):
        assert isinstance(shed.error, Overloaded)
        assert 5 <= (shed.error.retry_after_seconds or 0) <= 60
    assert tried is None
    assert live.is_running
    assert batch.is_waiting
    assert budget.statistics().shed_total == {"closed": 2}

    budget.set_closed(())
    await settle()

    assert batch.is_running


@virtual
async def test_a_batch_that_was_closed_for_long_has_saved_up_no_credit() -> None:
    order: list[Priority] = []
    budget = make_budget(100, wait_seconds=1000, max_waiting=1000)
    budget.set_closed({Priority.BATCH})
    for priority in (Priority.BATCH, Priority.REQUEST):
        for _ in range(60):
            Work(budget, 100, priority, seconds=1, on_grant=lambda work: order.append(work.priority))
    await asyncio.sleep(30)

    budget.set_closed(())
    await asyncio.sleep(25)

    assert order[:30] == [Priority.REQUEST] * 30
    assert Counter(order[30:])[Priority.BATCH] in (4, 5)


@virtual
async def test_a_batch_at_the_head_of_the_line_waits_too_when_it_is_closed() -> None:
    budget = make_budget(100, wait_seconds=60)
    running = Work(budget, 80)
    batch = Work(budget, 90, Priority.BATCH)
    await settle()

    budget.set_closed({Priority.BATCH})
    running.finish()
    await settle()

    assert batch.is_waiting
    assert not budget.statistics().draining


@virtual
async def test_a_class_that_did_not_wait_has_saved_up_no_credit() -> None:
    order: list[Priority] = []
    budget = make_budget(100, wait_seconds=1000, max_waiting=1000)
    for _ in range(100):
        Work(budget, 100, Priority.REQUEST, seconds=1, on_grant=lambda work: order.append(work.priority))
    await asyncio.sleep(30)

    for _ in range(60):
        Work(budget, 100, Priority.BATCH, seconds=1, on_grant=lambda work: order.append(work.priority))
    await asyncio.sleep(24)

    assert Counter(order[30:])[Priority.BATCH] in (3, 4, 5)
