"""Children that come and go: how many there are, when they are let go, and that no call is lost by it."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from app.errors import Overloaded
from tests.workers.pools import Held, Ledger, answered, ask, is_gone, open_pool, until


async def test_more_children_start_when_calls_wait(tmp_path: Path) -> None:
    async with open_pool(workers=3) as pool:
        held = [Held(pool, tmp_path, f"held{number}") for number in range(3)]
        pids = {await call.begun() for call in held}
        for call in held:
            call.release()
        await asyncio.gather(*(call.reply for call in held))

    assert len(pids) == 3


async def test_there_are_no_more_children_than_allowed(tmp_path: Path) -> None:
    async with open_pool(workers=2) as pool:
        held = [Held(pool, tmp_path, f"held{number}") for number in range(2)]
        for call in held:
            await call.begun()
        waiting = [ask(pool, "echo") for _ in range(10)]
        await asyncio.sleep(0.1)
        workers = len(pool.workers)
        for call in held:
            call.release()
        await asyncio.gather(*waiting, *(call.reply for call in held))

    assert workers == 2
    assert pool.statistics.started == 2


async def test_no_second_child_starts_where_the_ledger_has_no_bytes_for_it(tmp_path: Path) -> None:
    ledger = Ledger(may_grow=False)

    async with open_pool(workers=4, ledger=ledger) as pool:
        first = Held(pool, tmp_path)
        pid = await first.begun()
        waiting = ask(pool, "echo")
        await until(lambda: ledger.asked > 0)
        first.release()
        reply = await answered(waiting)

    assert reply.pid == pid
    assert ledger.started_pids == [pid]


async def test_the_first_child_is_never_asked_for() -> None:
    ledger = Ledger(may_grow=False)

    async with open_pool(ledger=ledger) as pool:
        await answered(ask(pool, "echo"))

    assert ledger.asked == 0


async def test_the_ledger_learns_of_every_start_and_end() -> None:
    ledger = Ledger()

    async with open_pool(ledger=ledger) as pool:
        first = await answered(ask(pool, "echo"))
        await pool.stop_idle()
        second = await answered(ask(pool, "echo"))

    assert ledger.started_pids == [first.pid, second.pid]
    assert ledger.ended_pids == ledger.started_pids


async def test_an_idle_child_exits_and_the_next_call_starts_another() -> None:
    async with open_pool(idle_seconds=0.05) as pool:
        first = await answered(ask(pool, "echo"))
        await until(lambda: is_gone(first.pid))
        await until(lambda: not pool.workers)

        second = await answered(ask(pool, "echo"))

    assert second.pid != first.pid
    assert pool.statistics.died == 0


async def test_a_busy_child_does_not_exit(tmp_path: Path) -> None:
    async with open_pool(idle_seconds=0.05) as pool:
        held = Held(pool, tmp_path)
        pid = await held.begun()
        await asyncio.sleep(0.2)
        held.release()
        reply = await answered(held.reply)

    assert reply.pid == pid


async def test_the_idle_time_begins_anew_with_each_call() -> None:
    """Two answers that are read at once must not leave a timer behind that nothing stops."""
    idle_seconds = 1.0
    async with open_pool(idle_seconds=idle_seconds, slots=2) as pool:
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

        still_there = [worker.pid for worker in pool.workers]
        idle_for = time.monotonic() - asked_at

    assert still_there == [first.pid] or idle_for >= idle_seconds


async def test_idle_children_are_let_go_on_demand_and_busy_ones_kept(tmp_path: Path) -> None:
    async with open_pool(workers=2) as pool:
        held = [Held(pool, tmp_path, f"held{number}") for number in range(2)]
        pids = [await call.begun() for call in held]
        held[0].release()
        await answered(held[0].reply)

        freed_bytes = await pool.stop_idle()

        assert freed_bytes > 1 << 20
        assert is_gone(pids[0])
        held[1].release()
        assert (await answered(held[1].reply)).pid == pids[1]


async def test_a_call_made_while_idle_children_are_let_go_is_answered() -> None:
    async with open_pool() as pool:
        await answered(ask(pool, "echo"))

        stopping = asyncio.create_task(pool.stop_idle())
        reply = await answered(ask(pool, "echo", repeatable=False, value="served"))
        await stopping

    assert reply.head["value"] == "served"


async def test_a_spared_child_is_not_let_go() -> None:
    async with open_pool() as pool:
        first = await answered(ask(pool, "echo"))

        freed_bytes = await pool.stop_idle(spared=lambda worker: worker.pid == first.pid)

        assert freed_bytes == 0
        assert (await answered(ask(pool, "echo"))).pid == first.pid


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
    assert (pool.statistics.recycled, pool.statistics.died) == (1, 0)


async def test_an_outgrown_child_is_stopped_first_where_there_is_no_memory_for_two() -> None:
    ledger = Ledger(may_grow=False)

    async with open_pool(ledger=ledger) as pool:
        first = await answered(ask(pool, "echo"))
        ledger.outgrown_pids.add(first.pid)
        replies = [await answered(ask(pool, "echo", repeatable=False, value=number)) for number in range(3)]

    assert [reply.head["value"] for reply in replies] == [0, 1, 2]
    assert ledger.ended_pids[0] == first.pid
    assert len(ledger.started_pids) == 2


async def test_an_outgrown_child_answers_what_it_has_before_it_goes(tmp_path: Path) -> None:
    ledger = Ledger()

    async with open_pool(ledger=ledger, slots=2) as pool:
        held = Held(pool, tmp_path, repeatable=False)
        pid = await held.begun()
        ledger.outgrown_pids.add(pid)
        await answered(ask(pool, "echo", repeatable=False))
        held.release()

        assert (await answered(held.reply)).pid == pid


async def test_no_child_starts_while_none_is_allowed() -> None:
    ledger = Ledger(allowed_workers=0)

    async with open_pool(ledger=ledger, workers=2) as pool:
        with pytest.raises(Overloaded) as refusal:
            await answered(ask(pool, "echo"))
        started = list(ledger.started_pids)
        ledger.allowed_workers = 1
        await answered(ask(pool, "echo"))

    assert refusal.value.retry_after_seconds is not None
    assert started == []
    assert len(ledger.started_pids) == 1


async def test_children_that_are_too_many_are_let_go_after_their_calls(tmp_path: Path) -> None:
    ledger = Ledger()

    async with open_pool(ledger=ledger, workers=2) as pool:
        held = [Held(pool, tmp_path, f"held{number}", repeatable=False) for number in range(2)]
        for call in held:
            await call.begun()
        ledger.allowed_workers = 1
        pool.crew.shrink()
        for call in held:
            call.release()
        await asyncio.gather(*(answered(call.reply) for call in held))
        await until(lambda: len(pool.workers) == 1)

    assert pool.statistics.died == 0
