"""Children that come and go: how many there are, when they are let go, and that no call is lost by it."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from app.workers.ending import Ending
from app.workers.launcher import Launcher
from app.workers.pool import NoWorker
from app.workers.spec import PoolLimits
from tests.workers.accounts import Ledger
from tests.workers.pools import Held, answered, ask, is_gone, open_pool, until


async def test_more_children_start_when_calls_wait(launcher: Launcher, tmp_path: Path) -> None:
    async with open_pool(launcher, limits=PoolLimits(workers=3)) as pool:
        held = [Held(pool, tmp_path, f"held{number}") for number in range(3)]
        pids = {await call.begun() for call in held}
        for call in held:
            call.release()
        await asyncio.gather(*(call.reply for call in held))

    assert len(pids) == 3


async def test_there_are_no_more_children_than_allowed(tmp_path: Path) -> None:
    async with open_pool(limits=PoolLimits(workers=2)) as pool:
        held = [Held(pool, tmp_path, f"held{number}") for number in range(2)]
        for call in held:
            await call.begun()
        waiting = [ask(pool, "echo") for _ in range(10)]
        await asyncio.sleep(0.1)
        size = pool.size
        for call in held:
            call.release()
        await asyncio.gather(*waiting, *(call.reply for call in held))

    assert size == 2
    assert pool.statistics.started == 2


async def test_calls_wait_for_a_child_that_is_starting(tmp_path: Path) -> None:
    ledger = Ledger(grants=0)

    async with open_pool(ledger=ledger, entry="tests.workers.entries:build_when_told", options=told(tmp_path)) as pool:
        starting = asyncio.create_task(pool.start(ledger.granted()))
        await asyncio.sleep(0)
        call = ask(pool, "echo", value="served")
        await until(lambda: pool.waiting == 1)
        (tmp_path / "go").touch()

        assert (await answered(call)).head["value"] == "served"
        await starting


def told(folder: Path) -> dict[str, str]:
    return {"sign": str(folder / "go")}


async def test_an_idle_child_exits_and_the_next_call_starts_another(launcher: Launcher) -> None:
    ledger = Ledger()

    async with open_pool(launcher, limits=PoolLimits(idle_seconds=0.05), ledger=ledger) as pool:
        first = await answered(ask(pool, "echo"))
        await until(lambda: ledger.accounts[0].is_closed)
        is_first_gone = is_gone(first.pid)

        second = await answered(ask(pool, "echo"))

    assert is_first_gone
    assert second.pid != first.pid
    assert pool.statistics.died == 0


async def test_a_busy_child_does_not_exit(tmp_path: Path) -> None:
    async with open_pool(limits=PoolLimits(idle_seconds=0.05)) as pool:
        held = Held(pool, tmp_path)
        pid = await held.begun()
        await asyncio.sleep(0.2)
        held.release()
        reply = await answered(held.reply)

    assert reply.pid == pid


async def test_the_idle_time_begins_anew_with_each_call() -> None:
    """Two answers that are read at once must not leave a timer behind that nothing stops."""
    idle_seconds = 1.0
    async with open_pool(limits=PoolLimits(idle_seconds=idle_seconds), ahead=1) as pool:
        pair = [ask(pool, "echo"), ask(pool, "echo")]
        await answered(pair[0])
        pair += [ask(pool, "echo"), ask(pool, "echo")]
        await asyncio.sleep(0)
        time.sleep(0.2)  # noqa: ASYNC251 - both answers are there before the loop reads one
        first, *_ = [await answered(call) for call in pair]
        await asyncio.sleep(idle_seconds * 0.6)
        asked_at = time.monotonic()
        await answered(ask(pool, "echo"))
        await asyncio.sleep(idle_seconds * 0.6)

        still_there = [worker.pid for worker in pool.children]
        idle_for = time.monotonic() - asked_at

    assert still_there == [first.pid] or idle_for >= idle_seconds


async def test_a_child_tells_since_when_it_has_nothing_to_do_and_for_whom_it_works(tmp_path: Path) -> None:
    async with open_pool() as pool:
        await answered(ask(pool, "echo"))
        (worker,) = pool.children
        before = (worker.idle_since is not None, worker.priority, pool.is_busy)
        held = Held(pool, tmp_path)
        await held.begun()
        during = (worker.idle_since, worker.priority, pool.is_busy)
        held.release()
        await answered(held.reply)

    assert before == (True, None, False)
    assert during == (None, 1, True)


async def test_a_dismissed_child_answers_what_it_has_before_it_goes(tmp_path: Path) -> None:
    ledger = Ledger()

    async with open_pool(ledger=ledger) as pool:
        held = Held(pool, tmp_path, repeatable=False)
        pid = await held.begun()
        pool.dismiss(pool.children[0])
        size, children = pool.size, pool.children
        held.release()

        assert (await answered(held.reply)).pid == pid
        await until(lambda: ledger.accounts[0].is_closed)

    assert (size, children) == (0, [])
    assert pool.statistics.died == 0


async def test_a_child_that_is_dismissed_now_is_gone_on_return_whatever_it_works_on(
    launcher: Launcher, tmp_path: Path
) -> None:
    ledger = Ledger(grants=0)

    async with open_pool(launcher, ledger=ledger) as pool:
        worker = await pool.start(ledger.granted())
        held = Held(pool, tmp_path)
        await held.begun()

        await pool.dismiss_now(worker)

        assert is_gone(worker.pid)
        assert ledger.accounts[0].is_closed
        with pytest.raises(NoWorker):
            await answered(held.reply)
    assert worker.ending is Ending.RELEASED


async def test_a_call_made_while_the_only_child_is_let_go_is_answered_by_another() -> None:
    async with open_pool() as pool:
        await answered(ask(pool, "echo"))

        pool.dismiss(pool.children[0])
        reply = await answered(ask(pool, "echo", repeatable=False, value="served"))

    assert reply.head["value"] == "served"
