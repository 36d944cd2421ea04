"""Random mixes of work: the ledger never grants too much, leaves nobody waiting for free bytes, and always drains."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from app.domain.priority import Priority
from app.errors import MemoryExceedsLimit, Overloaded, QueueFull
from app.memory.budget import BudgetStatistics
from app.memory.reservation import Reservation
from tests.memory.virtual_time import VirtualLoop, settle, virtual
from tests.memory.work import Work, WorkingSet, make_budget

TOTAL_BYTES = 100
PRIORITIES = st.sampled_from(Priority)
CLIENTS = st.sampled_from(["a", "b"])


class LedgerMachine(RuleBasedStateMachine):
    """Does anything to a budget, in any order; every rule ends when nothing can go on without time going by."""

    reservations = Bundle[Reservation]("reservations")

    def __init__(self) -> None:
        super().__init__()
        self.loop = VirtualLoop()
        self.working_set = WorkingSet()
        self.works: list[Work] = []
        self.grant_order: list[Work] = []
        self.kept: list[Reservation] = []
        self.closed: set[Priority] = set()
        self.takes = 0
        self.closed_grants = 0
        self.before = (0, 0)
        self.run(self.build())

    async def build(self) -> None:
        self.budget = make_budget(TOTAL_BYTES, self.working_set, max_waiting=6, wait_seconds=20)

    def run(self, step: Coroutine[Any, Any, None]) -> None:
        async def run_and_settle() -> None:
            await step
            await settle()

        self.before = (len(self.grant_order), self.takes)
        self.loop.run_until_complete(run_and_settle())

    @rule(nbytes=st.integers(0, 110), priority=PRIORITIES, client=CLIENTS, wait_seconds=st.floats(0, 60))
    def reserve(self, nbytes: int, priority: Priority, client: str, wait_seconds: float) -> None:
        async def step() -> None:
            work = Work(self.budget, nbytes, priority, client, wait_seconds=wait_seconds, on_grant=self.record_grant)
            self.works.append(work)

        self.run(step())

    def record_grant(self, work: Work) -> None:
        self.grant_order.append(work)
        self.closed_grants += work.priority in self.closed

    @rule(target=reservations, nbytes=st.integers(0, 40), other=st.integers(0, 40), priority=PRIORITIES)
    def try_reserve(self, nbytes: int, other: int, priority: Priority) -> Any:
        taken: list[Reservation] = []

        async def step() -> None:
            parts = {"model": nbytes, "decode": other}
            reservation = self.budget.try_reserve(parts, owner="tried", priority=priority)
            if reservation is not None:
                self.takes += 1
                taken.append(reservation)

        self.run(step())
        self.kept.extend(taken)
        return multiple(*taken)

    @rule(reservation=reservations, nbytes=st.integers(0, 40))
    def grow(self, reservation: Reservation, nbytes: int) -> None:
        async def step() -> None:
            self.takes += reservation.grow({"decode": nbytes})

        self.run(step())

    @rule(reservation=reservations, share=st.floats(0, 1))
    def shrink(self, reservation: Reservation, share: float) -> None:
        async def step() -> None:
            reservation.shrink(int(reservation.reserved_bytes * share))

        self.run(step())

    @rule(target=reservations, reservation=reservations)
    def split(self, reservation: Reservation) -> Any:
        parts: list[Reservation] = []

        async def step() -> None:
            if "model" in reservation.parts:
                parts.append(reservation.split(["model"], owner="worker"))

        self.run(step())
        self.kept.extend(parts)
        return multiple(*parts)

    @rule(reservation=reservations, other=reservations)
    def merge(self, reservation: Reservation, other: Reservation) -> None:
        async def step() -> None:
            if not reservation.is_released:
                reservation.merge(other)

        self.run(step())

    @rule(reservation=consumes(reservations))
    def release(self, reservation: Reservation) -> None:
        async def step() -> None:
            reservation.release()

        self.run(step())

    @rule(index=st.integers(0, 1000), ending=st.sampled_from(["finish", "cancel"]))
    def end_work(self, index: int, ending: str) -> None:
        alive = [work for work in self.works if not work.task.done()]

        async def step() -> None:
            if alive:
                work = alive[index % len(alive)]
                if ending == "finish":
                    work.finish()
                else:
                    work.task.cancel()

        self.run(step())

    @rule(working_set_bytes=st.integers(0, 120), resident_bytes=st.lists(st.integers(0, 60), max_size=4))
    def sample(self, working_set_bytes: int, resident_bytes: list[int]) -> None:
        async def step() -> None:
            self.working_set.nbytes = working_set_bytes
            for reservation, nbytes in zip(self.kept, resident_bytes, strict=False):
                reservation.observe(nbytes)
            self.budget.refresh()

        self.run(step())

    @rule(closed=st.sets(PRIORITIES))
    def close(self, closed: set[Priority]) -> None:
        async def step() -> None:
            self.closed = closed
            self.budget.set_closed(closed)

        self.run(step())

    @rule(seconds=st.floats(0.01, 10))
    def let_time_go_by(self, seconds: float) -> None:
        self.run(asyncio.sleep(seconds))

    @invariant()
    def no_grant_exceeds_the_budget(self) -> None:
        # Whatever a rule gives back, it gives back before anything is granted, so the end of the rule tells.
        if self.before != (len(self.grant_order), self.takes):
            seen = self.budget.statistics()
            assert seen.reserved_bytes <= TOTAL_BYTES
            assert self.working_set.nbytes + seen.promised_bytes <= TOTAL_BYTES

    @invariant()
    def no_closed_class_is_granted_anything(self) -> None:
        assert self.closed_grants == 0

    @invariant()
    def the_sums_are_those_of_the_holders(self) -> None:
        seen = self.budget.statistics()
        assert seen.reserved_bytes == sum(holder.reserved_bytes for holder in seen.holders)
        assert seen.promised_bytes == sum(max(0, h.reserved_bytes - h.resident_bytes) for h in seen.holders)
        running = [work.nbytes for work in self.works if work.is_running]
        kept = [reservation.reserved_bytes for reservation in self.kept]
        assert seen.reserved_bytes == sum(running) + sum(kept)

    @invariant()
    def nobody_waits_for_bytes_that_are_free(self) -> None:
        seen = self.budget.statistics()
        waiting = [work for work in self.works if work.is_waiting]
        assert (seen.waiting, seen.waiting_bytes) == (len(waiting), sum(work.nbytes for work in waiting))
        assert sum(seen.waiting_by_client.values()) == len(waiting)
        fronts = {(work.priority, work.client): work for work in reversed(waiting)}
        in_line = [work for work in fronts.values() if work.priority not in self.closed]
        assert all(work.priority is Priority.BATCH for work in waiting if work.priority in self.closed)
        self.check_in_line(in_line, seen)

    def check_in_line(self, in_line: list[Work], seen: BudgetStatistics) -> None:
        """Those who could be served are kept back by one that cannot, and only for its sake."""
        if in_line:
            assert any(work.nbytes > seen.free_bytes for work in in_line)
        else:
            assert not seen.draining

    @invariant()
    def every_client_is_served_in_its_own_order_but_for_smaller_ones_that_pass(self) -> None:
        granted: dict[tuple[Priority, str], list[Work]] = {}
        for work in self.grant_order:
            before = granted.setdefault((work.priority, work.client), [])
            assert all(other.nbytes < work.nbytes for other in before if other.number > work.number)
            before.append(work)

    def teardown(self) -> None:
        """Once everything that runs ends, whoever waits is served, and nothing is left."""
        waiting = [work for work in self.works if work.is_waiting]
        self.run(self.drain())
        assert all(work.granted_at is not None for work in waiting)
        for work in self.works:
            assert work.task.done()
            self.check_refusal(work)
        self.budget.check_empty()
        self.loop.close()

    async def drain(self) -> None:
        self.closed = set()
        self.budget.set_closed(())
        self.working_set.nbytes = 0
        for reservation in self.kept:
            reservation.release()
        self.budget.refresh()
        await settle()
        while running := [work for work in self.works if work.is_running]:
            for work in running:
                work.finish()
            await settle()

    def check_refusal(self, work: Work) -> None:
        error = work.error
        assert error is None or isinstance(error, Overloaded | QueueFull | MemoryExceedsLimit)
        if isinstance(error, MemoryExceedsLimit):
            assert work.nbytes > TOTAL_BYTES
        elif error is not None:
            assert 1 <= (error.retry_after_seconds or 0) <= 60
            assert error.extra["neededBytes"] == work.nbytes


LedgerMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestLedger = pytest.mark.timeout(120)(LedgerMachine.TestCase)


class Plan:
    """One piece of work of a random schedule."""

    def __init__(self, values: tuple[float, int, Priority, str, float]) -> None:
        self.arrives_at, self.nbytes, self.priority, self.client, self.seconds = values


PLANS = st.tuples(st.floats(0, 20), st.integers(0, 100), PRIORITIES, CLIENTS, st.floats(0, 30)).map(Plan)


@settings(max_examples=150, deadline=None)
@given(plans=st.lists(PLANS, max_size=40))
def test_every_class_and_client_is_served_in_the_end(plans: list[Plan]) -> None:
    @virtual
    async def unserved() -> list[Work]:
        budget = make_budget(TOTAL_BYTES, wait_seconds=1e6)

        async def arrive(plan: Plan) -> Work:
            await asyncio.sleep(plan.arrives_at)
            work = Work(budget, plan.nbytes, plan.priority, plan.client, seconds=plan.seconds)
            await asyncio.wait([work.task])
            return work

        works = await asyncio.wait_for(asyncio.gather(*map(arrive, plans)), timeout=100_000)
        budget.check_empty()
        return [work for work in works if work.granted_at is None]

    assert unserved() == []
