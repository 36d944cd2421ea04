"""A call that a busy child is given ahead, so that it need not wait for us."""

from __future__ import annotations

import asyncio
import os
import signal
from functools import partial
from pathlib import Path

import pytest

from app.errors import ProcessingTimeout, WorkerFailed
from app.workers.pool import WorkerPool
from app.workers.spec import PoolLimits
from tests.workers.pools import Held, answered, ask, is_gone, open_pool, until


def sent(pool: WorkerPool) -> int:
    return sum(worker.calls_in_flight for worker in pool.children)


async def test_a_busy_child_gets_one_call_more_and_the_others_wait_in_line(tmp_path: Path) -> None:
    async with open_pool(ahead=1) as pool:
        held = Held(pool, tmp_path)
        await held.begun()
        later = [ask(pool, "echo", value=number) for number in range(3)]
        await until(lambda: sent(pool) == 2)

        assert pool.waiting == 2

        held.release()
        assert [(await answered(call)).head["value"] for call in later] == [0, 1, 2]
        await answered(held.reply)


async def test_a_free_child_comes_before_a_busy_one(tmp_path: Path) -> None:
    async with open_pool(limits=PoolLimits(workers=2), ahead=1) as pool:
        first, second = Held(pool, tmp_path, "first"), Held(pool, tmp_path, "second")

        pids = {await first.begun(), await second.begun()}

        for one in (first, second):
            one.release()
            await answered(one.reply)
        assert len(pids) == 2


async def test_a_call_that_waits_in_a_busy_child_is_taken_back_when_another_is_free(tmp_path: Path) -> None:
    async with open_pool(limits=PoolLimits(workers=2), ahead=1) as pool:
        held = [Held(pool, tmp_path, f"held {number}") for number in range(2)]
        for one in held:
            await one.begun()
        later = [ask(pool, "echo", value=number) for number in range(2)]
        await until(lambda: sent(pool) == 4)

        held[0].release()

        replies = [await answered(call) for call in later]
        assert {reply.pid for reply in replies} == {(await answered(held[0].reply)).pid}
        assert sent(pool) == 1
        held[1].release()
        await answered(held[1].reply)


async def test_a_call_sent_ahead_that_is_cancelled_comes_back_while_the_child_works_on(tmp_path: Path) -> None:
    async with open_pool(ahead=1) as pool:
        held = Held(pool, tmp_path)
        await held.begun()
        later = Held(pool, tmp_path, "later")
        await until(lambda: sent(pool) == 2)

        later.reply.cancel()

        with pytest.raises(asyncio.CancelledError):
            await answered(later.reply)
        assert sent(pool) == 1
        held.release()
        await answered(held.reply)
        await answered(ask(pool, "echo"))
    assert not later.has_begun


async def test_the_deadline_runs_from_when_the_call_is_begun(tmp_path: Path) -> None:
    async with open_pool(ahead=1) as pool:
        held = Held(pool, tmp_path)
        await held.begun()
        later = ask(pool, "echo", b"in time", deadline=1.5)
        await asyncio.sleep(2.0)
        held.release()

        assert (await answered(later)).payload == b"in time"


async def test_a_call_given_ahead_that_hangs_is_ended_at_its_deadline(tmp_path: Path) -> None:
    async with open_pool(ahead=1) as pool:
        held = Held(pool, tmp_path)
        await held.begun()
        later = ask(pool, "sleep", seconds=60, deadline=0.2)
        await until(lambda: sent(pool) == 2)
        held.release()

        with pytest.raises(ProcessingTimeout):
            await answered(later)


async def test_the_wait_within_the_child_is_time_in_line(tmp_path: Path) -> None:
    async with open_pool(ahead=1) as pool:
        held = Held(pool, tmp_path)
        await held.begun()
        later = ask(pool, "echo")
        await asyncio.sleep(0)  # it is in line now
        await asyncio.sleep(0.2)
        held.release()

        assert (await answered(later)).queued_seconds >= 0.2


async def test_a_death_before_its_turn_does_not_count_against_a_call(tmp_path: Path) -> None:
    async with open_pool(ahead=1) as pool:
        held = Held(pool, tmp_path)
        for _ in range(2):  # the second death fails the call that was at work both times
            (tmp_path / "held.begun").unlink(missing_ok=True)
            pid = await held.begun()
            if not pool.waiting and sent(pool) == 1:
                later = ask(pool, "echo", b"unharmed")
            await until(lambda: sent(pool) == 2)
            os.kill(pid, signal.SIGKILL)
            await until(partial(is_gone, pid))

        with pytest.raises(WorkerFailed):
            await answered(held.reply)
        assert (await answered(later)).payload == b"unharmed"
