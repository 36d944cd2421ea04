"""Calls, their answers, and the line they wait in."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import signal
from pathlib import Path

import anyio
import pytest

from app.domain.priority import Priority
from app.domain.units import KIB, MIB
from app.errors import Overloaded, QueueFull
from app.workers.channel import Message
from app.workers.launch import PlainLauncher
from app.workers.launcher import Launcher
from app.workers.pool import WorkerPool
from app.workers.spec import PoolLimits
from app.workers.surroundings import Surroundings
from tests.workers.pools import Held, answered, ask, is_gone, open_pool, until


@pytest.mark.parametrize("size", [0, 1, 64 * KIB, 1 * MIB, 6 * MIB])
async def test_a_payload_comes_back_as_it_was(launcher: Launcher, size: int) -> None:
    payload = os.urandom(size)

    async with open_pool(launcher) as pool:
        reply = await answered(ask(pool, "echo", payload, value="größer"))

    assert reply.payload == payload
    assert reply.head["value"] == "größer"


async def test_the_handler_gets_its_options() -> None:
    async with open_pool(options={"colour": "blue"}) as pool:
        reply = await answered(ask(pool, "echo"))

    assert reply.head["options"] == {"colour": "blue"}


async def test_one_child_answers_call_after_call(launcher: Launcher) -> None:
    async with open_pool(launcher) as pool:
        pids = {(await answered(ask(pool, "echo"))).pid for _ in range(50)}

    assert len(pids) == 1
    assert pool.statistics.started == 1


async def test_answers_of_parallel_calls_find_their_callers() -> None:
    payloads = [bytes([number]) * (number * 997) for number in range(60)]

    async with open_pool(limits=PoolLimits(workers=2), ahead=1) as pool:
        replies = await asyncio.gather(
            *(answered(ask(pool, "echo", payload, value=number)) for number, payload in enumerate(payloads))
        )

    assert [reply.payload for reply in replies] == payloads
    assert [reply.head["value"] for reply in replies] == list(range(60))


async def test_calls_are_served_first_come_first_served(tmp_path: Path) -> None:
    async with open_pool() as pool:
        first = Held(pool, tmp_path)
        await first.begun()
        waiting = [ask(pool, "note", value=number) for number in range(20)]
        await asyncio.sleep(0)
        first.release()
        replies = [await answered(call) for call in waiting]

    assert replies[-1].head["notes"] == list(range(20))


async def test_clients_take_turns(tmp_path: Path) -> None:
    async with open_pool() as pool:
        first = Held(pool, tmp_path)
        await first.begun()
        many = [ask(pool, "note", client="many", value=f"many {number}") for number in range(5)]
        one = ask(pool, "note", client="one", value="one")
        await asyncio.sleep(0)
        first.release()
        notes = [await answered(call) for call in [*many, one]][4].head["notes"]

    assert notes.index("one") <= 1
    assert [note for note in notes if note != "one"] == [f"many {number}" for number in range(5)]


async def test_live_calls_go_first_and_batches_do_not_starve(tmp_path: Path) -> None:
    async with open_pool() as pool:
        first = Held(pool, tmp_path)
        await first.begun()
        calls = [
            ask(pool, "note", priority=priority, value=priority.name)
            for priority in (Priority.BATCH, Priority.LIVE)
            for _ in range(30)
        ]
        await asyncio.sleep(0)
        first.release()
        notes = max([(await answered(call)).head["notes"] for call in calls], key=len)

    assert notes.index("LIVE") <= 1
    assert 1 <= notes[:30].count("BATCH") <= 6  # 70 to 5


async def test_a_call_is_refused_when_the_line_is_full(tmp_path: Path) -> None:
    async with open_pool(limits=PoolLimits(waiting=1)) as pool:
        first = Held(pool, tmp_path)
        await first.begun()
        second = ask(pool, "echo")
        await asyncio.sleep(0)

        with pytest.raises(QueueFull) as refusal:
            await answered(ask(pool, "echo"))

        first.release()
        await answered(second)
    assert refusal.value.retry_after_seconds is not None


async def test_a_cancelled_call_frees_its_place_in_line(tmp_path: Path) -> None:
    async with open_pool(limits=PoolLimits(waiting=1)) as pool:
        first = Held(pool, tmp_path)
        await first.begun()
        given_up = ask(pool, "echo")
        await asyncio.sleep(0)
        given_up.cancel()
        await asyncio.gather(given_up, return_exceptions=True)

        next_one = ask(pool, "echo", value="served")
        await asyncio.sleep(0)
        first.release()

        assert (await answered(next_one)).head["value"] == "served"


async def test_a_call_gives_up_when_no_child_is_free_in_time_and_frees_its_place(tmp_path: Path) -> None:
    async with open_pool(limits=PoolLimits(waiting=1)) as pool:
        patient = pool.spec
        first = Held(pool, tmp_path)
        await first.begun()

        pool.spec = dataclasses.replace(patient, limits=dataclasses.replace(patient.limits, wait_seconds=0.3))
        with pytest.raises(Overloaded, match="free in time") as refusal:
            await answered(ask(pool, "echo"))

        pool.spec = patient
        next_one = ask(pool, "echo", value="served")
        await asyncio.sleep(0)
        first.release()
        assert (await answered(next_one)).head["value"] == "served"
    assert refusal.value.retry_after_seconds is not None


async def test_a_cancelled_call_is_not_begun(tmp_path: Path) -> None:
    async with open_pool() as pool:
        first = Held(pool, tmp_path)
        await first.begun()
        given_up = Held(pool, tmp_path, "given-up")
        await asyncio.sleep(0)
        given_up.reply.cancel()
        await asyncio.gather(given_up.reply, return_exceptions=True)
        first.release()
        await answered(ask(pool, "echo"))

    assert not given_up.has_begun


async def test_a_call_cancelled_at_work_returns_only_when_its_child_has_answered(tmp_path: Path) -> None:
    """Until then the child may use what was reserved for it."""
    async with open_pool() as pool:
        held = Held(pool, tmp_path)
        pid = await held.begun()
        for _ in range(3):  # whoever cancels again does not change that
            held.reply.cancel()
            await asyncio.sleep(0)
        second = ask(pool, "echo")
        await asyncio.sleep(0.05)
        were_done = (held.reply.done(), second.done())

        held.release()

        assert (await answered(second)).pid == pid
        with pytest.raises(asyncio.CancelledError):
            await answered(held.reply)
    assert were_done == (False, False)


async def test_a_call_in_a_cancelled_scope_returns_only_when_its_child_has_answered(tmp_path: Path) -> None:
    """So the server cancels what it answers: a scope goes on cancelling until it is left."""
    outcome: list[str] = []

    async def call(pool: WorkerPool, scope: anyio.CancelScope) -> None:
        with scope:
            head = {"do": "hold", "name": str(tmp_path / "held")}
            try:
                await pool.call(Message(head, b""), deadline_seconds=10)
            finally:
                outcome.append("released" if (tmp_path / "held.release").exists() else "left early")

    async with open_pool() as pool:
        scope = anyio.CancelScope()
        calling = asyncio.create_task(call(pool, scope))
        await until((tmp_path / "held.begun").exists)
        scope.cancel()
        await asyncio.sleep(0.05)

        (tmp_path / "held.release").touch()
        await calling

    assert outcome == ["released"]


async def test_a_cancelled_call_returns_when_its_child_is_killed(tmp_path: Path) -> None:
    async with open_pool() as pool:
        held = Held(pool, tmp_path)
        pid = await held.begun()
        held.reply.cancel()
        await asyncio.sleep(0)

        os.kill(pid, signal.SIGKILL)

        with pytest.raises(asyncio.CancelledError):
            await answered(held.reply)
        assert is_gone(pid)
    assert pool.counters.retried == 0


async def test_the_peak_of_a_call_is_measured(launcher: Launcher) -> None:
    async with open_pool(launcher) as pool:
        await answered(ask(pool, "echo"))
        reply = await answered(ask(pool, "allocate", nbytes=48 * MIB))

    assert reply.peak_bytes is not None
    assert 47 * MIB <= reply.peak_bytes <= 56 * MIB


async def test_the_time_in_line_is_told(tmp_path: Path) -> None:
    now = 100.0
    async with open_pool(surroundings=Surroundings.around(PlainLauncher(), lambda: now)) as pool:
        first = Held(pool, tmp_path)
        await first.begun()
        second = ask(pool, "echo")
        await asyncio.sleep(0)
        now = 107.0
        first.release()
        reply = await answered(second)

    assert reply.queued_seconds == 7.0
