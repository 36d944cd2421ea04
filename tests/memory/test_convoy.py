"""Several who wait for one grant, and for what is done with it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from app.domain.priority import Priority
from app.errors import InternalError, MemoryExceedsLimit, ModelMissing, Overloaded, QueueFull
from app.memory.budget import MemoryBudget
from app.memory.convoy import Convoy
from app.memory.reservation import Reservation
from tests.memory.virtual_time import settle, virtual
from tests.memory.work import Joiner, Load, Work, WorkingSet, make_budget

LIVE, REQUEST, BATCH = Priority.LIVE, Priority.REQUEST, Priority.BATCH


def convoy_of(budget: MemoryBudget, load: Load, nbytes: int = 60) -> Convoy:
    return budget.convoy({"model": nbytes}, owner="hands", load=load)


@virtual
async def test_all_who_join_wait_for_one_load() -> None:
    budget = make_budget(100)
    load = Load()
    convoy = convoy_of(budget, load)
    joiners = [Joiner(convoy, priority) for priority in Priority]
    await settle()
    during = budget.statistics()

    load.finish()
    await settle()

    assert (load.runs, during.reserved_bytes, during.waiting) == (1, 60, 3)
    assert [joiner.is_done for joiner in joiners] == [True, True, True]
    assert [joiner.error for joiner in joiners] == [None, None, None]
    assert convoy.is_over
    assert budget.statistics().waiting == 0
    load.reservation.release()
    budget.check_empty()


@virtual
async def test_they_count_as_waiters_of_their_clients_and_their_bytes_count_once() -> None:
    budget = make_budget(100)
    running = Work(budget, 60)
    convoy = convoy_of(budget, Load())
    joiners = [Joiner(convoy, REQUEST, client) for client in ("a", "a", "b")]
    await settle()

    seen = budget.statistics()

    assert (seen.waiting, seen.waiting_bytes, seen.waiting_by_client) == (3, 60, {"a": 2, "b": 1})
    for joiner in joiners:
        joiner.task.cancel()
    running.finish()
    await settle()
    budget.check_empty()


@virtual
async def test_one_who_joins_during_the_load_waits_for_its_end_only() -> None:
    budget = make_budget(100)
    load = Load()
    convoy = convoy_of(budget, load)
    first = Joiner(convoy, BATCH)
    await settle()

    late = Joiner(convoy, LIVE)
    await settle()
    waiting = budget.statistics().waiting
    load.finish()
    await settle()

    assert (waiting, load.runs, first.is_done, late.is_done) == (2, 1, True, True)
    load.reservation.release()


@virtual
async def test_a_live_that_joins_lifts_the_convoy_of_a_batch() -> None:
    budget = make_budget(100, wait_seconds=1000)
    running = Work(budget, 100)
    head = Work(budget, 100)
    load = Load()
    convoy = convoy_of(budget, load, 100)
    batch = Joiner(convoy, BATCH)
    requests = [Work(budget, 100) for _ in range(3)]
    await settle()

    live = Joiner(convoy, LIVE)
    await settle()
    running.finish()
    await settle()
    head.finish()
    await settle()

    assert load.runs == 1
    assert (load.reservation.priority, all(work.is_waiting for work in requests)) == (LIVE, True)
    load.finish()
    await settle()
    assert (batch.is_done, live.is_done) == (True, True)
    load.reservation.release()


@virtual
async def test_a_convoy_falls_back_when_the_live_leaves() -> None:
    budget = make_budget(100, wait_seconds=1000)
    running = Work(budget, 100)
    load = Load()
    convoy = convoy_of(budget, load, 100)
    Joiner(convoy, BATCH)
    live = Joiner(convoy, LIVE)
    await settle()
    budget.set_closed({REQUEST, BATCH})

    live.task.cancel()
    await settle()
    running.finish()
    await settle()
    runs_while_closed = load.runs
    budget.set_closed(())
    await settle()

    assert (runs_while_closed, load.runs) == (0, 1)
    assert load.reservation.priority is BATCH
    load.finish()
    await settle()
    load.reservation.release()


@virtual
async def test_a_client_need_not_wait_behind_the_work_of_another_that_joined_before() -> None:
    budget = make_budget(100, wait_seconds=1000)
    for _ in range(20):
        Work(budget, 100, client="greedy", seconds=1)
    load = Load()
    convoy = convoy_of(budget, load, 100)
    Joiner(convoy, REQUEST, "greedy")
    await settle()

    Joiner(convoy, REQUEST, "modest")
    await asyncio.sleep(3.5)

    assert load.runs == 1
    load.finish()
    await settle()
    load.reservation.release()


@virtual
async def test_the_wait_includes_the_load_and_the_load_goes_on_without_those_who_leave() -> None:
    budget = make_budget(100, wait_seconds=10)
    running = Work(budget, 60, seconds=4)
    load = Load()
    convoy = convoy_of(budget, load)
    patient, hasty = Joiner(convoy, REQUEST), Joiner(convoy, LIVE, wait_seconds=5)
    gone = Joiner(convoy, REQUEST)
    await asyncio.sleep(4.5)
    gone.task.cancel()
    await asyncio.sleep(5)
    waiting = budget.statistics().waiting
    await asyncio.sleep(1)

    assert running.task.done()
    assert (waiting, load.is_running) == (1, True)
    for refused in (patient, hasty):
        assert isinstance(refused.error, Overloaded)
        assert "not ready in time" in refused.error.detail
    assert budget.statistics().waiting == 0
    assert not convoy.is_over
    load.finish()
    await settle()
    assert convoy.is_over
    load.reservation.release()
    budget.check_empty()


@virtual
async def test_the_time_may_be_over_before_the_grant() -> None:
    budget = make_budget(100, wait_seconds=10)
    running = Work(budget, 60)
    load = Load()
    convoy = convoy_of(budget, load)
    joiner = Joiner(convoy, REQUEST)

    await asyncio.sleep(10.1)

    assert isinstance(joiner.error, Overloaded)
    assert joiner.error.extra == {"neededBytes": 60, "freeBytes": 40}
    assert (convoy.is_over, load.runs) == (True, 0)
    running.finish()
    await settle()
    budget.check_empty()


@virtual
async def test_the_last_who_leaves_before_the_grant_takes_the_convoy_out_of_the_line() -> None:
    budget = make_budget(100)
    running = Work(budget, 60)
    load = Load()
    convoy = convoy_of(budget, load)
    first, last = Joiner(convoy, REQUEST), Joiner(convoy, BATCH)
    await settle()

    first.task.cancel()
    await settle()
    is_over_early = convoy.is_over
    last.task.cancel()
    await settle()
    running.finish()
    await settle()

    assert (is_over_early, convoy.is_over, load.runs) == (False, True, 0)
    assert budget.statistics().cancelled_total == 2
    budget.check_empty()
    with pytest.raises(RuntimeError, match="over"):
        await convoy.join(REQUEST)


@virtual
async def test_what_can_never_fit_is_refused_at_once() -> None:
    budget = make_budget(100)
    convoy = convoy_of(budget, Load(), 101)

    joiner = Joiner(convoy, REQUEST)
    await settle()

    assert isinstance(joiner.error, MemoryExceedsLimit)
    assert convoy.is_over
    budget.check_empty()


@virtual
async def test_a_closed_class_is_shed_before_and_during_the_load_but_a_batch_waits_on() -> None:
    budget = make_budget(100, wait_seconds=60)
    running = Work(budget, 60)
    waiting_load, running_load = Load(), Load()
    waiting, loading = convoy_of(budget, waiting_load), convoy_of(budget, running_load, 20)
    joiners = [Joiner(convoy, priority) for convoy in (waiting, loading) for priority in (REQUEST, BATCH)]
    await settle()

    budget.set_closed({REQUEST, BATCH})
    late = Joiner(loading, REQUEST)
    await settle()

    assert [type(one.error) for one in (joiners[0], joiners[2], late)] == [Overloaded] * 3
    assert budget.statistics().shed_total == {"closed": 3}
    assert [joiners[1].is_done, joiners[3].is_done] == [False, False]
    running_load.finish()
    running.finish()
    await settle()
    assert (joiners[3].is_done, waiting_load.runs) == (True, 0)
    budget.set_closed(())
    await settle()
    assert waiting_load.runs == 1
    waiting_load.finish()
    await settle()
    for load in (waiting_load, running_load):
        load.reservation.release()


@virtual
async def test_those_aboard_count_in_the_bound_of_the_line() -> None:
    budget = make_budget(100, max_waiting=3)
    load = Load()
    convoy = convoy_of(budget, load)
    aboard = [Joiner(convoy, REQUEST, "greedy") for _ in range(2)]
    work = Work(budget, 90, client="modest")
    await settle()

    joiner, second = Joiner(convoy, REQUEST, "greedy"), Work(budget, 90, client="modest")
    await settle()

    assert [type(joiner.error), type(second.error)] == [QueueFull, QueueFull]
    assert work.is_waiting
    load.finish()
    await settle()
    assert all(joiner.is_done and joiner.error is None for joiner in aboard)
    load.reservation.release()


@virtual
async def test_an_error_of_the_load_is_told_to_all() -> None:
    budget = make_budget(100)
    load = Load(error=ModelMissing("There is no such model."))
    convoy = convoy_of(budget, load)
    joiners = [Joiner(convoy, REQUEST) for _ in range(3)]
    await settle()

    load.finish()
    await settle()

    assert [type(joiner.error) for joiner in joiners] == [ModelMissing] * 3
    assert convoy.is_over
    load.reservation.release()
    budget.check_empty()


@pytest.mark.parametrize("error", [ZeroDivisionError(), asyncio.CancelledError()])
def test_an_error_that_was_not_foreseen_is_logged(error: BaseException, caplog: pytest.LogCaptureFixture) -> None:
    @virtual
    async def run() -> BaseException | None:
        budget = make_budget(100)
        load = Load(error=error)
        joiner = Joiner(convoy_of(budget, load), REQUEST)
        await settle()
        load.finish()
        await settle()
        load.reservation.release()
        budget.check_empty()
        return joiner.error

    assert isinstance(run(), InternalError)
    assert "load hands failed" in caplog.text


@virtual
async def test_a_load_must_not_wait_for_bytes_while_it_holds_some() -> None:
    budget = make_budget(100)
    seen: list[str] = []

    async def load(reservation: Reservation) -> None:
        try:
            async with budget.reserve({"more": 1}, owner="load", priority=LIVE):
                pass
        except RuntimeError as error:
            seen.append(str(error))
        reservation.release()

    await budget.convoy({"model": 1}, owner="hands", load=load).join(REQUEST)

    assert len(seen) == 1
    budget.check_empty()


@virtual
async def test_one_who_holds_must_not_join() -> None:
    budget = make_budget(100)
    convoy = convoy_of(budget, Load(), 10)

    async with budget.reserve({"picture": 1}, owner="photo", priority=REQUEST, lease="job:1"):
        with pytest.raises(RuntimeError, match="must not wait"):
            await convoy.join(REQUEST, lease="job:1")

    budget.check_empty()


@pytest.mark.parametrize("steps", [lambda: asyncio.sleep(0), settle])
def test_closing_ends_the_load_and_sends_everybody_away(steps: Callable[[], Awaitable[None]]) -> None:
    @virtual
    async def run() -> None:
        budget = make_budget(100)
        load = Load(releases=True)
        convoy = convoy_of(budget, load)
        joiner = Joiner(convoy, REQUEST)
        await steps()

        await convoy.aclose()
        await settle()

        assert isinstance(joiner.error, Overloaded)
        assert convoy.is_over
        budget.check_empty()

    run()


@virtual
async def test_closing_before_the_grant_leaves_nothing() -> None:
    budget = make_budget(100)
    running = Work(budget, 60)
    convoy = convoy_of(budget, Load())
    joiner = Joiner(convoy, REQUEST)
    await settle()

    await convoy.aclose()
    await settle()
    running.finish()
    await settle()

    assert isinstance(joiner.error, Overloaded)
    budget.check_empty()


@virtual
async def test_one_who_is_shed_in_the_moment_of_the_grant_leaves_nothing() -> None:
    working_set = WorkingSet(100)
    budget = make_budget(100, working_set)
    load = Load()
    convoy = convoy_of(budget, load)
    shed, batch = Joiner(convoy, REQUEST), Joiner(convoy, BATCH)
    await settle()

    working_set.nbytes = 0
    budget.set_closed({REQUEST})
    await settle()

    assert (load.runs, shed.is_done, batch.is_done) == (1, True, False)
    assert budget.statistics().waiting == 1
    load.finish()
    await settle()
    load.reservation.release()
    budget.check_empty()
