"""Random mixes of convoys and other work: every waiter is counted, all are served or told why not, nothing is left."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from app.domain.priority import Priority
from app.errors import BallastError, MemoryExceedsLimit, ModelMissing, Overloaded, QueueFull
from app.memory.convoy import Convoy
from tests.memory.virtual_time import VirtualLoop, settle
from tests.memory.work import Joiner, Load, Work, WorkingSet, make_budget

TOTAL_BYTES = 100
MAX_WAITING = 6
PRIORITIES = st.sampled_from(Priority)
CLIENTS = st.sampled_from(["a", "b"])


class ConvoyMachine(RuleBasedStateMachine):
    """Three models that are loaded again and again, beside work that reserves for itself."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = VirtualLoop()
        self.joiners: list[Joiner] = []
        self.works: list[Work] = []
        self.loads: list[Load] = []
        self.convoys: dict[str, Convoy] = {}
        self.closed: set[Priority] = set()
        self.run(self.build())

    async def build(self) -> None:
        self.working_set = WorkingSet()
        self.budget = make_budget(TOTAL_BYTES, self.working_set, max_waiting=MAX_WAITING, wait_seconds=20)

    def run(self, step: Coroutine[Any, Any, None]) -> None:
        async def run_and_settle() -> None:
            await step
            await settle()

        self.loop.run_until_complete(run_and_settle())

    @rule(
        model=st.sampled_from("xyz"),
        nbytes=st.integers(0, 110),
        fails=st.booleans(),
        priority=PRIORITIES,
        client=CLIENTS,
        wait_seconds=st.floats(0, 60),
    )
    def join(self, model: str, nbytes: int, fails: bool, priority: Priority, client: str, wait_seconds: float) -> None:
        async def step() -> None:
            convoy = self.convoys.get(model)
            if convoy is None or convoy.is_over:
                load = Load(error=ModelMissing("gone") if fails else None, releases=True)
                convoy = self.budget.convoy({"model": nbytes}, owner=model, load=load)
                self.loads.append(load)
                self.convoys[model] = convoy
            self.joiners.append(Joiner(convoy, priority, client, wait_seconds))

        self.run(step())

    @rule(nbytes=st.integers(0, 110), priority=PRIORITIES, client=CLIENTS, wait_seconds=st.floats(0, 60))
    def reserve(self, nbytes: int, priority: Priority, client: str, wait_seconds: float) -> None:
        async def step() -> None:
            self.works.append(Work(self.budget, nbytes, priority, client, wait_seconds=wait_seconds))

        self.run(step())

    @rule(index=st.integers(0, 1000))
    def cancel_a_joiner(self, index: int) -> None:
        self.run(self.cancel([joiner.task for joiner in self.joiners if not joiner.is_done], index))

    @rule(index=st.integers(0, 1000))
    def cancel_a_work(self, index: int) -> None:
        self.run(self.cancel([work.task for work in self.works if not work.task.done()], index))

    async def cancel(self, tasks: list[asyncio.Task[None]], index: int) -> None:
        if tasks:
            tasks[index % len(tasks)].cancel()

    @rule(index=st.integers(0, 1000))
    def finish_a_work_and_cancel_a_joiner_at_once(self, index: int) -> None:
        """So that a grant comes in the moment in which its waiter goes."""

        async def step() -> None:
            running = [work for work in self.works if work.is_running]
            if running:
                running[index % len(running)].finish()
                await asyncio.sleep(0)
            await self.cancel([joiner.task for joiner in self.joiners if not joiner.is_done], index)

        self.run(step())

    @rule(index=st.integers(0, 1000), keeps=st.booleans())
    def finish_a_load(self, index: int, keeps: bool) -> None:
        async def step() -> None:
            running = [load for load in self.loads if load.is_running]
            if running:
                load = running[index % len(running)]
                if not keeps:
                    load.reservation.release()
                load.finish()

        self.run(step())

    @rule(index=st.integers(0, 1000))
    def unload(self, index: int) -> None:
        async def step() -> None:
            kept = [load for load in self.loads if load.runs and not load.is_running]
            if kept:
                kept[index % len(kept)].reservation.release()

        self.run(step())

    @rule(model=st.sampled_from("xyz"))
    def close_a_convoy(self, model: str) -> None:
        if model in self.convoys:
            self.run(self.convoys[model].aclose())

    @rule(closed=st.sets(PRIORITIES), working_set_bytes=st.integers(0, 120))
    def change_the_level(self, closed: set[Priority], working_set_bytes: int) -> None:
        async def step() -> None:
            self.closed = closed
            self.working_set.nbytes = working_set_bytes
            self.budget.set_closed(closed)

        self.run(step())

    @rule(working_set_bytes=st.integers(0, 120))
    def sample(self, working_set_bytes: int) -> None:
        async def step() -> None:
            self.working_set.nbytes = working_set_bytes
            self.budget.refresh()

        self.run(step())

    @rule(seconds=st.floats(0.01, 10))
    def let_time_go_by(self, seconds: float) -> None:
        self.run(asyncio.sleep(seconds))

    @invariant()
    def everybody_who_waits_is_counted(self) -> None:
        seen = self.budget.statistics()
        waiting: list[Joiner | Work] = [joiner for joiner in self.joiners if not joiner.is_done]
        waiting += [work for work in self.works if work.is_waiting]
        assert seen.waiting == len(waiting) <= MAX_WAITING
        assert seen.waiting_by_client == Counter(one.client for one in waiting)

    @invariant()
    def no_closed_class_waits_but_batch(self) -> None:
        waiting = {joiner.priority for joiner in self.joiners if not joiner.is_done}
        assert not (waiting & self.closed) - {Priority.BATCH}

    @invariant()
    def every_load_runs_once_and_holds_what_it_was_granted(self) -> None:
        assert all(load.runs <= 1 for load in self.loads)
        seen = self.budget.statistics()
        assert seen.reserved_bytes == sum(holder.reserved_bytes for holder in seen.holders) <= TOTAL_BYTES

    @invariant()
    def nobody_waits_for_what_is_over(self) -> None:
        assert all(joiner.is_done for joiner in self.joiners if joiner.convoy.is_over)

    def teardown(self) -> None:
        """Once everything that runs ends, nobody waits, and nothing is left."""
        self.run(self.drain())
        assert all(work.task.done() for work in self.works)
        for joiner in self.joiners:
            assert joiner.is_done
            assert joiner.convoy.is_over
            self.check_answer(joiner)
        self.budget.check_empty()
        self.loop.close()

    async def drain(self) -> None:
        self.budget.set_closed(())
        self.working_set.nbytes = 0
        self.budget.refresh()
        await settle()
        while True:
            kept = [load for load in self.loads if load.runs and not load.reservation.is_released]
            running = [work for work in self.works if work.is_running]
            if not kept and not running:
                break
            for load in kept:
                load.finish()
                load.reservation.release()
            for work in running:
                work.finish()
            await settle()

    def check_answer(self, joiner: Joiner) -> None:
        error: BallastError | None = joiner.error
        assert error is None or isinstance(error, Overloaded | QueueFull | MemoryExceedsLimit | ModelMissing)


ConvoyMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestConvoys = pytest.mark.timeout(120)(ConvoyMachine.TestCase)
