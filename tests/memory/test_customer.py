"""One who waits before the ledger several times, and for so long in all."""

from __future__ import annotations

import asyncio

import pytest

from app.domain.priority import Priority
from app.errors import Overloaded
from app.memory.budget import MemoryBudget
from app.memory.customer import Customer
from tests.memory.virtual_time import settle, virtual
from tests.memory.work import Load, Work, make_budget


def customer_of(seconds: float) -> Customer:
    return Customer(Priority.REQUEST, "me", seconds, asyncio.get_running_loop().time)


async def reserve(customer: Customer, budget: MemoryBudget, nbytes: int = 60, work_seconds: float = 0.0) -> None:
    async with customer.reserve(budget, {"decode": nbytes}, "me"):
        await asyncio.sleep(work_seconds)


async def occupy(budget: MemoryBudget, seconds: float | None = None) -> Work:
    """Have all bytes taken for so long (None: until the work is finished)."""
    work = Work(budget, budget.limit_bytes, seconds=seconds)
    await settle()
    return work


def now() -> float:
    return asyncio.get_running_loop().time()


@virtual
async def test_what_is_granted_stands_in_the_ledger_for_the_block() -> None:
    budget = make_budget(100)

    async with customer_of(10).reserve(budget, {"decode": 60}, "toes") as reservation:
        (holder,) = budget.statistics().holders

        assert (holder.owner, holder.reserved_bytes) == ("toes", 60)
        assert reservation.parts == {"decode": 60}

    budget.check_empty()


@virtual
async def test_it_waits_in_line_for_its_client() -> None:
    budget = make_budget(100)
    await occupy(budget, 3)
    waiting = asyncio.create_task(reserve(customer_of(10), budget))
    await settle()

    seen = budget.statistics().waiting_by_client
    await waiting

    assert seen == {"me": 1}


@virtual
async def test_what_it_waited_before_is_missing_the_next_time() -> None:
    budget = make_budget(100)
    customer = customer_of(10)
    await occupy(budget, 6)
    await reserve(customer, budget)
    running = await occupy(budget)
    began = now()

    with pytest.raises(Overloaded):
        await reserve(customer, budget)

    assert began == 6
    assert now() == 10
    running.finish()
    await settle()
    budget.check_empty()


@virtual
async def test_what_it_does_between_two_waits_does_not_count() -> None:
    budget = make_budget(100)
    customer = customer_of(10)

    await reserve(customer, budget, work_seconds=100)
    await asyncio.sleep(100)
    await occupy(budget, 9)
    await reserve(customer, budget)

    assert now() == 209


@virtual
async def test_waiting_with_others_counts_as_well() -> None:
    budget = make_budget(100)
    customer, load = customer_of(10), Load()
    joining = asyncio.create_task(customer.join(budget.convoy({"model": 30}, owner="hands", load=load)))
    await asyncio.sleep(7)
    load.finish()
    await joining

    with pytest.raises(Overloaded):
        await reserve(customer, budget, 80)

    assert now() == 10
    load.reservation.release()


@virtual
async def test_a_load_that_takes_too_long_is_left_when_its_time_is_over() -> None:
    budget = make_budget(100)
    customer, load = customer_of(10), Load()
    await occupy(budget, 4)
    await reserve(customer, budget)

    with pytest.raises(Overloaded):
        await customer.join(budget.convoy({"model": 30}, owner="hands", load=load))

    assert now() == 10
    load.finish()
    await settle()
    load.reservation.release()


@virtual
async def test_a_wait_that_was_broken_off_counts_too() -> None:
    budget = make_budget(100)
    customer = customer_of(10)
    running = await occupy(budget)
    waiting = asyncio.create_task(reserve(customer, budget))
    await asyncio.sleep(8)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)

    with pytest.raises(Overloaded):
        await reserve(customer, budget)

    assert now() == 10
    running.finish()
    await settle()
    budget.check_empty()


@virtual
async def test_with_no_time_left_it_gets_what_is_free_and_waits_for_nothing() -> None:
    budget = make_budget(100)
    customer = customer_of(0)

    await reserve(customer, budget)
    running = Work(budget, 50)
    await settle()
    with pytest.raises(Overloaded):
        await reserve(customer, budget)

    assert now() == 0
    running.finish()
    await settle()
    budget.check_empty()
