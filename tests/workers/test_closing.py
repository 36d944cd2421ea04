"""Closing a pool: everybody is told, and nothing is left (the fixture `leaks` looks)."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from app.errors import Overloaded, WorkerFailed
from app.workers.launcher import Launcher
from app.workers.spec import PoolLimits
from tests.workers.accounts import Ledger
from tests.workers.pools import PATIENCE_SECONDS, Held, answered, ask, is_gone, open_pool, until


async def test_calls_at_work_and_in_line_are_told(launcher: Launcher, tmp_path: Path) -> None:
    async with open_pool(launcher) as pool:
        held = Held(pool, tmp_path)
        pid = await held.begun()
        waiting = [ask(pool, "echo") for _ in range(3)]
        await asyncio.sleep(0)

        await pool.close()

        outcomes = await asyncio.wait_for(
            asyncio.gather(held.reply, *waiting, return_exceptions=True), PATIENCE_SECONDS
        )
    assert [type(outcome) for outcome in outcomes] == [WorkerFailed, Overloaded, Overloaded, Overloaded]
    assert is_gone(pid)


async def test_a_call_after_it_is_refused() -> None:
    async with open_pool() as pool:
        await answered(ask(pool, "echo"))
        await pool.close()

        with pytest.raises(Overloaded):
            await answered(ask(pool, "echo"))


async def test_it_may_be_closed_twice_and_unused() -> None:
    async with open_pool() as pool:
        await pool.close()
        await pool.close()

    assert pool.statistics.started == 0


async def test_a_child_that_is_just_starting_is_gone(launcher: Launcher) -> None:
    async with open_pool(launcher, entry="tests.workers.entries:build_never") as pool:
        call = ask(pool, "echo")
        await until(lambda: pool.statistics.started == 1)
        await asyncio.sleep(0.05)

        await pool.close()

        with pytest.raises(Overloaded):
            await answered(call)


async def test_a_child_that_was_only_asked_for_is_never_started() -> None:
    async with open_pool() as pool:
        call = ask(pool, "echo")
        await asyncio.sleep(0)

        await pool.close()

        with pytest.raises(Overloaded):
            await answered(call)


async def test_a_child_that_does_not_go_is_killed(launcher: Launcher) -> None:
    async with open_pool(launcher) as pool:
        first = await answered(ask(pool, "echo"))
        os.kill(first.pid, signal.SIGSTOP)

        await pool.close()

        assert is_gone(first.pid)


async def test_a_child_that_is_on_its_way_out_is_waited_for() -> None:
    async with open_pool(limits=PoolLimits(idle_seconds=0.05)) as pool:
        first = await answered(ask(pool, "echo"))
        os.kill(first.pid, signal.SIGSTOP)
        await until(lambda: not pool.children)

        await pool.close()

        assert is_gone(first.pid)


async def test_a_child_that_was_killed_at_a_deadline_is_waited_for(tmp_path: Path) -> None:
    async with open_pool() as pool:
        held = Held(pool, tmp_path, deadline=2.0)
        pid = await held.begun()
        await asyncio.gather(held.reply, return_exceptions=True)

        await pool.close()

        assert is_gone(pid)


async def test_who_waits_for_a_start_is_told() -> None:
    ledger = Ledger()
    async with open_pool(ledger=ledger, entry="tests.workers.entries:build_never") as pool:
        starting = asyncio.create_task(pool.start(ledger.granted()))
        await until(lambda: pool.statistics.started == 1)

        await pool.close()

        with pytest.raises(Overloaded):
            await starting
    assert is_gone(ledger.pids[0])


async def test_a_start_after_it_is_refused() -> None:
    ledger = Ledger()
    async with open_pool(ledger=ledger) as pool:
        await pool.close()

        with pytest.raises(Overloaded):
            await pool.start(ledger.granted())
    assert ledger.pids == []
