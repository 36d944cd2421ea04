"""The rule against hold-and-wait goes by the lease, in whichever task the parts of a piece of work run."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.priority import Priority
from app.errors import Overloaded
from app.memory.budget import MemoryBudget
from tests.memory.virtual_time import settle, virtual
from tests.memory.work import Work, make_budget

STEP = "job:17/step:3"


async def reserve(budget: MemoryBudget, lease: object, nbytes: int = 10, seconds: float = 1.0) -> None:
    async with budget.reserve({"x": nbytes}, owner="step", priority=Priority.BATCH, lease=lease):
        await asyncio.sleep(seconds)


@virtual
async def test_a_lease_that_holds_in_one_task_must_not_wait_in_another() -> None:
    budget = make_budget(100)
    holding = asyncio.create_task(reserve(budget, STEP))
    await settle()

    with pytest.raises(RuntimeError, match="must not wait"):
        await asyncio.create_task(reserve(budget, STEP))

    await holding
    await reserve(budget, STEP)
    budget.check_empty()


@virtual
async def test_a_lease_that_waits_must_not_wait_a_second_time() -> None:
    budget = make_budget(100)
    Work(budget, 95, seconds=1)
    waiting = asyncio.create_task(reserve(budget, STEP))
    await settle()

    with pytest.raises(RuntimeError, match="must not wait"):
        await reserve(budget, STEP, 1)

    await waiting
    budget.check_empty()


@virtual
async def test_one_task_may_hold_for_several_leases() -> None:
    budget = make_budget(100)

    async with (
        budget.reserve({"x": 10}, owner="step", priority=Priority.BATCH, lease=("job", 1)),
        budget.reserve({"x": 10}, owner="step", priority=Priority.BATCH, lease=("job", 2)),
        budget.reserve({"x": 10}, owner="task", priority=Priority.BATCH),
    ):
        assert budget.reserved_bytes == 30

    budget.check_empty()


@pytest.mark.parametrize("ending", ["refused", "cancelled", "released early"])
def test_a_lease_is_free_again_however_it_ended(ending: str) -> None:
    @virtual
    async def run() -> None:
        budget = make_budget(100, wait_seconds=5)
        if ending == "released early":
            async with budget.reserve({"x": 1}, owner="step", priority=Priority.BATCH, lease=STEP) as reservation:
                reservation.release()
                await reserve(budget, STEP)
            return
        running = Work(budget, 100)
        waiting = asyncio.create_task(reserve(budget, STEP))
        await settle()
        if ending == "cancelled":
            waiting.cancel()
        (outcome,) = await asyncio.gather(waiting, return_exceptions=True)
        assert isinstance(outcome, Overloaded | asyncio.CancelledError)
        running.finish()
        await reserve(budget, STEP)

    run()


STEPS = st.tuples(st.integers(0, 3), st.floats(0, 5), st.integers(0, 100), st.floats(0, 5), st.booleans())


@settings(max_examples=200, deadline=None)
@given(steps=st.lists(STEPS, max_size=30))
def test_no_lease_ever_waits_while_it_holds_and_all_that_wait_are_served(
    steps: list[tuple[int, float, int, float, bool]],
) -> None:
    """Steps of four jobs, each in a task of its own; some are cancelled on the way."""

    @virtual
    async def run() -> list[str]:
        budget = make_budget(100, wait_seconds=1e6)
        holding: set[int] = set()
        waiting: set[int] = set()
        wrong: list[str] = []

        async def step(job: int, at: float, nbytes: int, seconds: float, _cancelled: bool) -> None:
            await asyncio.sleep(at)
            was_busy = job in holding or job in waiting
            if not was_busy:
                waiting.add(job)
            try:
                async with budget.reserve({"x": nbytes}, owner="step", priority=Priority.BATCH, lease=job):
                    wrong.extend(["granted to one that holds"] if was_busy else [])
                    waiting.discard(job)
                    holding.add(job)
                    await asyncio.sleep(seconds)
            except RuntimeError:
                wrong.extend([] if was_busy else ["refused to one that held nothing"])
            finally:
                if not was_busy:
                    waiting.discard(job)
                    holding.discard(job)

        tasks = [asyncio.create_task(step(*plan)) for plan in steps]
        for task, (_, at, _, _, cancelled) in zip(tasks, steps, strict=True):
            if cancelled:
                asyncio.get_running_loop().call_later(at + 1, task.cancel)
        await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), timeout=100_000)
        budget.check_empty()
        return wrong

    assert run() == []
