"""Who is refused, with which error and which numbers."""

from __future__ import annotations

import asyncio

from app.domain.priority import Priority
from app.errors import MemoryExceedsLimit, Overloaded, QueueFull
from tests.memory.virtual_time import settle, virtual
from tests.memory.work import Work, make_budget


@virtual
async def test_what_can_never_fit_is_refused_at_once_with_both_numbers() -> None:
    budget = make_budget(100)
    base_line = budget.hold({"base": 30}, owner="api")

    work = Work(budget, 71)
    await settle()

    assert isinstance(work.error, MemoryExceedsLimit)
    assert work.error.extra == {"neededBytes": 71, "limitBytes": 70}
    base_line.release()


@virtual
async def test_a_waiter_that_can_no_longer_fit_is_refused() -> None:
    budget = make_budget(100)
    blocking, waiting = Work(budget, 50), Work(budget, 80)
    await settle()

    base_line = budget.hold({"base": 30}, owner="api")
    await settle()

    assert isinstance(waiting.error, MemoryExceedsLimit)
    assert blocking.is_running
    base_line.release()


@virtual
async def test_a_wait_in_vain_ends_with_503_and_the_numbers() -> None:
    budget = make_budget(100, wait_seconds=10)
    Work(budget, 60)
    waiting = Work(budget, 50)

    await asyncio.sleep(9.9)
    assert waiting.is_waiting
    await asyncio.sleep(0.2)

    assert isinstance(waiting.error, Overloaded)
    assert waiting.error.extra == {"neededBytes": 50, "freeBytes": 40}
    assert waiting.error.retry_after_seconds == 10  # nothing was released yet: the wait itself is the best guess
    assert budget.statistics().shed_total == {"timeout": 1}


@virtual
async def test_no_wait_is_a_refusal_at_once() -> None:
    budget = make_budget(100)
    Work(budget, 60)

    refused = Work(budget, 50, wait_seconds=0)
    granted = Work(budget, 40, wait_seconds=0)
    await settle()

    assert isinstance(refused.error, Overloaded)
    assert granted.is_running


@virtual
async def test_retry_after_follows_the_rate_at_which_bytes_come_back() -> None:
    budget = make_budget(100, wait_seconds=0)
    for _ in range(60):
        Work(budget, 20, seconds=1)
        await asyncio.sleep(1.1)
    Work(budget, 100)
    await settle()

    refused = []
    for nbytes in (1, 50, 100):
        refused.append(Work(budget, nbytes))
        await settle()

    retries = [work.error.retry_after_seconds for work in refused if work.error is not None]
    assert retries == [1, 3, 6]  # about 18 bytes a second


@virtual
async def test_retry_after_is_at_most_a_minute() -> None:
    budget = make_budget(100, wait_seconds=0)
    Work(budget, 1, seconds=0)
    await settle()
    Work(budget, 100)

    refused = Work(budget, 100)
    await settle()

    assert refused.error is not None
    assert refused.error.retry_after_seconds == 60


@virtual
async def test_a_full_line_is_429() -> None:
    budget = make_budget(100, max_waiting=2)
    works = [Work(budget, 100, client=f"client {number}") for number in range(4)]

    await settle()

    assert [type(work.error) for work in works] == [type(None), type(None), type(None), QueueFull]
    assert works[3].error is not None
    assert works[3].error.retry_after_seconds == 10
    assert budget.statistics().shed_total == {"queue_full": 1}


@virtual
async def test_a_client_has_half_of_the_places_at_most() -> None:
    budget = make_budget(100, max_waiting=5)
    greedy = [Work(budget, 100, client="greedy") for _ in range(6)]
    modest = [Work(budget, 100, client=name) for name in ("one", "two")]

    await settle()

    assert [work.is_waiting for work in greedy] == [False, True, True, True, False, False]
    assert [type(work.error) for work in greedy[4:]] == [QueueFull, QueueFull]
    assert all(work.is_waiting for work in modest)
    assert budget.statistics().waiting_by_client == {"greedy": 3, "one": 1, "two": 1}


@virtual
async def test_a_client_that_gave_up_a_place_may_wait_again() -> None:
    budget = make_budget(100, max_waiting=2)
    running, waiting = Work(budget, 100, client="a"), Work(budget, 100, client="a")
    await settle()
    waiting.task.cancel()
    await settle()

    again = Work(budget, 100, client="a")
    await settle()

    assert running.is_running
    assert again.is_waiting


@virtual
async def test_a_client_with_too_many_gives_up_its_least_urgent_one() -> None:
    budget = make_budget(100, max_waiting=4)
    Work(budget, 100, client="a")
    batch = [Work(budget, 100, Priority.BATCH, client="a") for _ in range(2)]
    await settle()

    live, request = Work(budget, 100, Priority.LIVE, client="a"), Work(budget, 100, client="a")
    late = Work(budget, 100, Priority.BATCH, client="a")
    await settle()

    assert [type(work.error) for work in (*batch, late)] == [QueueFull] * 3
    assert live.is_waiting
    assert request.is_waiting


@virtual
async def test_a_lone_place_is_anybodys() -> None:
    budget = make_budget(100, max_waiting=1)
    Work(budget, 100, client="a")

    waiting = Work(budget, 100, client="a")
    await settle()

    assert waiting.is_waiting


@virtual
async def test_a_client_that_fills_the_line_makes_room_for_others() -> None:
    budget = make_budget(100, max_waiting=3, client_share=1)
    greedy = [Work(budget, 100, client="greedy") for _ in range(4)]
    await settle()

    modest = Work(budget, 100, client="modest")
    await settle()

    assert modest.is_waiting
    assert [work.is_waiting for work in greedy] == [False, True, True, False]
    assert isinstance(greedy[3].error, QueueFull)
