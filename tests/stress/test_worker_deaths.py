"""A vision worker that dies, however it dies, costs the calls in flight at most, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal

import pytest

from app.domain.units import MIB
from soak.cgroup import MemoryGroup
from tests.stress.eater import Eater
from tests.stress.running import Caller, Footprint, Stand, Subject

pytestmark = [pytest.mark.model, pytest.mark.photo]

_IN_FLIGHT = 4
_HASTY = {"BALLAST_VISION__DEADLINE_SECONDS": "2"}
"""For a child that is stopped: only the deadline ends its calls."""

CALLS = [100, pytest.param(1000, marks=[pytest.mark.stress, pytest.mark.timeout(900)])]


@pytest.mark.parametrize("calls", CALLS)
@pytest.mark.parametrize(
    "number",
    [signal.SIGKILL, pytest.param(signal.SIGSEGV, marks=pytest.mark.stress), signal.SIGSTOP],
    ids=lambda number: number.name,
)
async def test_a_worker_that_is_hit_by_a_signal_costs_the_calls_in_flight_at_most(
    stand: Stand, group: MemoryGroup, number: signal.Signals, calls: int
) -> None:
    async with stand.serve(_HASTY if number is signal.SIGSTOP else {}) as subject:
        caller = Caller(subject, in_flight=_IN_FLIGHT)
        await caller.send(8)
        before = await subject.footprint()
        victims = await subject.pids("vision")
        victim = victims.pop()

        async with caller.sending():  # a child that is stopped is noticed by a call that does not come back
            await asyncio.sleep(0.3)
            os.kill(victim, number)
            await subject.until(lambda report: victim not in [process["pid"] for process in report["processes"]])

        assert len(caller.bad) <= _IN_FLIGHT
        await _assert_well(subject, caller, calls, before)
        assert group.oom_kills() == 0


@pytest.mark.parametrize("calls", CALLS)
async def test_a_worker_that_the_kernel_kills_for_memory_costs_the_calls_in_flight_at_most(
    stand: Stand, group: MemoryGroup, calls: int
) -> None:
    async with stand.serve() as subject:
        caller = Caller(subject, in_flight=_IN_FLIGHT)
        await caller.send(8)
        before = await subject.footprint()
        victims = set(await subject.pids("vision"))

        async with caller.sending(), Eater.inside(group) as eater:
            # At once: the next sample of the governor comes too late. The kernel may take the eater, too, where it does
            # not wait for the memory of the first one that it killed.
            # On a busy machine the governor may be in time all the same, and makes room: then it is eaten again.
            with contextlib.suppress(ConnectionError):
                for _ in range(10):
                    room_mib = round((group.limit_bytes - group.working_set_bytes()) / MIB)
                    await eater.hold(eater.held_mib + room_mib + 20)
                    if group.oom_kills():
                        break

        assert group.oom_kills() >= 1
        assert subject.service.exit_code is None
        await subject.until(lambda report: report["level"] == "LOW", seconds=45)
        assert len(caller.bad) <= _IN_FLIGHT
        await _assert_well(subject, caller, calls, before)
        assert victims - set(await subject.pids("vision"))


async def _assert_well(subject: Subject, caller: Caller, calls: int, before: Footprint) -> None:
    """Send further calls, all of which must be answered, and look for what is left."""
    bad = len(caller.bad)
    caller.answers.clear()

    await caller.send(calls)

    assert caller.bad[bad:] == []
    assert caller.lost == []
    assert caller.answers["200"] >= 0.95 * calls, caller.answers
    await subject.assert_nothing_is_left(before)
