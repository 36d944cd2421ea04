"""Each child has an account, which a successor takes over, or which is closed when the child is reaped."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from app.workers.launcher import Launcher
from app.workers.pool import NoWorker
from app.workers.spec import PoolLimits
from tests.workers.accounts import Ledger
from tests.workers.pools import Held, answered, ask, is_gone, open_pool, until


async def test_no_second_child_starts_where_there_is_no_account_for_it(tmp_path: Path) -> None:
    ledger = Ledger(grants=1)

    async with open_pool(limits=PoolLimits(workers=4), ledger=ledger) as pool:
        first = Held(pool, tmp_path)
        pid = await first.begun()
        waiting = ask(pool, "echo")
        await until(lambda: ledger.asked > 1)
        first.release()
        reply = await answered(waiting)

    assert reply.pid == pid
    assert ledger.pids == [pid]


async def test_a_child_is_started_under_an_account_and_is_loaded_then() -> None:
    ledger = Ledger(grants=0)

    async with open_pool(ledger=ledger) as pool:
        worker = await pool.start(ledger.granted())
        reply = await answered(ask(pool, "echo"))

        assert pool.children == [worker]
        assert ledger.accounts[0].events == ["opened", "loaded"]

    assert reply.pid == worker.pid
    assert ledger.accounts[0].events == ["opened", "loaded", "ended", "closed"]


async def test_a_call_without_a_child_or_an_account_for_one_is_told_at_once() -> None:
    async with open_pool(ledger=Ledger(grants=0)) as pool:
        with pytest.raises(NoWorker):
            await answered(ask(pool, "echo"))


async def test_an_outgrown_child_is_replaced_between_calls() -> None:
    ledger = Ledger()

    async with open_pool(ledger=ledger) as pool:
        first = await answered(ask(pool, "echo"))
        ledger.outgrown_pids.add(first.pid)
        second = await answered(ask(pool, "echo", repeatable=False))
        third = await answered(ask(pool, "echo", repeatable=False))
        await until(lambda: is_gone(first.pid))

    assert second.pid == first.pid
    assert third.pid != first.pid
    assert len(ledger.accounts) == 2
    assert (pool.statistics.recycled, pool.statistics.died) == (1, 0)


async def test_an_outgrown_child_is_replaced_under_its_account_where_there_is_no_other() -> None:
    ledger = Ledger(grants=1)

    async with open_pool(ledger=ledger) as pool:
        first = await answered(ask(pool, "echo"))
        ledger.outgrown_pids.add(first.pid)
        replies = [await answered(ask(pool, "echo", repeatable=False, value=number)) for number in range(3)]

    assert [reply.head["value"] for reply in replies] == [0, 1, 2]
    (account,) = ledger.accounts
    assert account.events == ["opened", "loaded", "ended", "opened", "loaded", "ended", "closed"]


async def test_an_outgrown_child_that_nobody_calls_is_replaced_too() -> None:
    ledger = Ledger(grants=1)

    async with open_pool(ledger=ledger) as pool:
        first = await answered(ask(pool, "echo"))
        ledger.outgrown_pids.add(first.pid)
        await answered(ask(pool, "echo"))

        await until(lambda: [worker.pid for worker in pool.children] not in ([], [first.pid]))


async def test_an_outgrown_child_answers_what_it_was_sent_ahead_before_it_goes(tmp_path: Path) -> None:
    ledger = Ledger()

    async with open_pool(ledger=ledger, ahead=1) as pool:
        held = Held(pool, tmp_path, repeatable=False)
        pid = await held.begun()
        ahead = ask(pool, "echo", repeatable=False)
        await until(lambda: pool.children[0].calls_in_flight == 2)
        ledger.outgrown_pids.add(pid)
        held.release()

        assert [(await answered(call)).pid for call in (held.reply, ahead)] == [pid, pid]


async def test_a_retry_runs_under_the_account_of_the_child_that_died(launcher: Launcher, tmp_path: Path) -> None:
    """It holds its bytes already: it must not wait for more."""
    ledger = Ledger(grants=0)

    async with open_pool(launcher, ledger=ledger) as pool:
        await pool.start(ledger.granted())
        await answered(ask(pool, "crash_once", b"photo", mark=str(tmp_path / "crashed"), signal="SIGSEGV"))

    (account,) = ledger.accounts
    assert account.events == ["opened", "loaded", "ended", "opened", "loaded", "ended", "closed"]


async def test_the_account_of_a_child_that_dies_idle_is_closed(launcher: Launcher) -> None:
    ledger = Ledger(grants=0)

    async with open_pool(launcher, ledger=ledger) as pool:
        worker = await pool.start(ledger.granted())
        os.kill(worker.pid, signal.SIGKILL)
        await until(lambda: ledger.accounts[0].is_closed)

        assert (pool.children, pool.size) == ([], 0)


async def test_a_start_that_is_cancelled_leaves_nothing(launcher: Launcher) -> None:
    ledger = Ledger(grants=0)

    async with open_pool(launcher, ledger=ledger, entry="tests.workers.entries:build_never") as pool:
        starting = asyncio.create_task(pool.start(ledger.granted()))
        await until(lambda: pool.statistics.started == 1)
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting

        await until(lambda: ledger.accounts[0].is_closed)
        assert is_gone(ledger.pids[0])
        assert pool.size == 0


@pytest.mark.parametrize("turns", range(1, 7))
async def test_a_start_that_is_cancelled_early_leaves_nothing(launcher: Launcher, turns: int) -> None:
    ledger = Ledger(grants=0)

    async with open_pool(launcher, ledger=ledger) as pool:
        starting = asyncio.create_task(pool.start(ledger.granted()))
        for _ in range(turns):
            await asyncio.sleep(0)
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)

        await until(lambda: ledger.accounts[0].is_closed)
        assert pool.size == 0
