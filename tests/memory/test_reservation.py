"""What the owner of a reservation can do with it."""

from __future__ import annotations

import pytest

from app.domain.priority import Priority
from app.memory.budget import MemoryBudget
from app.memory.reservation import Reservation
from tests.memory.virtual_time import settle, virtual
from tests.memory.work import Work, WorkingSet, make_budget


def reserve(budget: MemoryBudget, owner: str = "owner", **parts: int) -> Reservation:
    reservation = budget.try_reserve(parts, owner=owner, priority=Priority.REQUEST)
    assert reservation is not None
    return reservation


def budget_of(total_bytes: int) -> MemoryBudget:
    return MemoryBudget(total_bytes, working_set=WorkingSet())


def test_growing_only_tries() -> None:
    budget = budget_of(100)
    reservation = reserve(budget, decode=60)

    results = [reservation.grow({"decode": 10, "encode": 20}), reservation.grow({"decode": 11})]

    assert results == [True, False]
    assert dict(reservation.parts) == {"decode": 70, "encode": 20}
    reservation.release()


def test_shrinking_gives_named_parts_back() -> None:
    budget = budget_of(100)
    reservation = reserve(budget, model=50, decode=30)

    reservation.shrink({"decode": 30, "model": 10})

    assert dict(reservation.parts) == {"model": 40}
    assert budget.reserved_bytes == 40
    reservation.release()


def test_shrinking_by_a_number_starts_with_the_largest_part() -> None:
    budget = budget_of(100)
    reservation = reserve(budget, send=10, model=50, decode=30)

    reservation.shrink(70)

    assert dict(reservation.parts) == {"send": 10, "decode": 10}
    reservation.release()


@pytest.mark.parametrize("parts", [{"decode": 31}, {"other": 1}, {"decode": -1}, 31, -1])
def test_shrinking_by_more_than_there_is_changes_nothing(parts: dict[str, int] | int) -> None:
    budget = budget_of(100)
    reservation = reserve(budget, decode=30)

    with pytest.raises(ValueError, match=r"has not reserved|negative"):
        reservation.shrink(parts)

    assert (dict(reservation.parts), budget.reserved_bytes) == ({"decode": 30}, 30)
    reservation.release()


@virtual
async def test_shrinking_serves_waiters() -> None:
    budget = make_budget(100)
    reservation = reserve(budget, decode=80)
    waiting = Work(budget, 50)
    await settle()

    reservation.shrink(30)
    await settle()

    assert waiting.is_running
    reservation.release()


@virtual
async def test_a_part_that_is_split_off_outlives_the_request() -> None:
    budget = make_budget(100)
    model: list[Reservation] = []
    async with budget.reserve({"model": 60, "decode": 30}, owner="hands", priority=Priority.LIVE) as reservation:
        model.append(reservation.split(["model"], owner="worker"))
        during = budget.reserved_bytes

    assert during == 90
    assert budget.reserved_bytes == 60
    assert (model[0].owner, dict(model[0].parts)) == ("worker", {"model": 60})
    model[0].release()
    budget.check_empty()


@pytest.mark.parametrize("resident_bytes", [0, 10, 50, 90, 200])
def test_splitting_changes_no_sum(resident_bytes: int) -> None:
    budget = budget_of(100)
    reservation = reserve(budget, model=60, decode=30)
    reservation.observe(resident_bytes)
    before = budget.statistics()

    other = reservation.split(["model"])

    after = budget.statistics()
    assert (after.reserved_bytes, after.promised_bytes) == (before.reserved_bytes, before.promised_bytes)
    assert reservation.resident_bytes + other.resident_bytes == resident_bytes
    reservation.release()
    other.release()


def test_an_unknown_part_cannot_be_split_off() -> None:
    reservation = reserve(budget_of(100), decode=30)

    with pytest.raises(KeyError):
        reservation.split(["decode", "model"])

    assert dict(reservation.parts) == {"decode": 30}
    reservation.release()


def test_merging_moves_everything() -> None:
    budget = budget_of(100)
    worker, request = reserve(budget, "worker", model=40), reserve(budget, "request", model=10, decode=20)
    worker.observe(35)
    request.observe(5)

    worker.merge(request)

    assert request.is_released
    assert (dict(worker.parts), worker.resident_bytes) == ({"model": 50, "decode": 20}, 40)
    assert (budget.reserved_bytes, budget.statistics().promised_bytes) == (70, 30)
    worker.release()
    budget.check_empty()


def test_releasing_twice_gives_back_once() -> None:
    budget = budget_of(100)
    first, second = reserve(budget, decode=30), reserve(budget, decode=40)

    first.release()
    first.release()

    assert budget.reserved_bytes == 40
    assert (first.grow({"decode": 1}), first.reserved_bytes) == (False, 0)
    second.release()


def test_a_negative_part_is_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        budget_of(100).try_reserve({"decode": -1}, owner="owner", priority=Priority.REQUEST)
