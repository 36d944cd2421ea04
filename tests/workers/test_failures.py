"""What a child can do wrong, and what the caller is told."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from app.domain.units import MIB
from app.errors import InvalidMedia, ProcessingTimeout, WorkerFailed
from app.workers.ending import Ending
from app.workers.launch import PlainLauncher
from app.workers.launcher import Launcher
from app.workers.surroundings import Surroundings
from tests.workers.pools import Held, answered, ask, is_gone, open_pool, until


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGABRT", "SIGBUS"])
async def test_an_input_that_two_children_crash_on_is_refused_and_the_next_call_works(
    launcher: Launcher, name: str
) -> None:
    async with open_pool(launcher) as pool:
        with pytest.raises(InvalidMedia):
            await answered(ask(pool, "crash", b"photo", signal=name))
        with pytest.raises(InvalidMedia):
            await answered(ask(pool, "echo", b"photo"))

        reply = await answered(ask(pool, "echo", b"after"))

    assert reply.payload == b"after"
    assert (pool.statistics.died, pool.counters.retried) == (2, 1)


@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM"])
async def test_a_child_that_is_killed_from_outside_twice_fails_the_call_and_its_input_is_not_suspected(
    launcher: Launcher, name: str
) -> None:
    async with open_pool(launcher) as pool:
        for _ in range(4):
            with pytest.raises(WorkerFailed):
                await answered(ask(pool, "crash", b"photo", signal=name))

        reply = await answered(ask(pool, "echo", b"photo"))

    assert reply.payload == b"photo"
    assert (pool.statistics.died, pool.counters.retried) == (8, 4)
    assert pool.trouble is None


async def test_a_child_that_dies_twice_on_a_call_without_an_input_fails_it() -> None:
    async with open_pool() as pool:
        with pytest.raises(WorkerFailed):
            await answered(ask(pool, "crash", signal="SIGSEGV"))

        await answered(ask(pool, "echo"))


async def test_an_input_is_refused_by_all_pools_of_its_role_and_closes_none() -> None:
    surroundings = Surroundings.around(PlainLauncher())
    async with open_pool(surroundings=surroundings) as pool, open_pool(surroundings=surroundings) as other:
        for _ in range(10):
            with pytest.raises(InvalidMedia):
                await answered(ask(pool, "crash", b"photo", signal="SIGSEGV"))
        with pytest.raises(InvalidMedia):
            await answered(ask(other, "echo", b"photo"))

        await answered(ask(other, "echo", b"another"))
    assert pool.statistics.died == 2


async def test_a_kill_by_the_governor_repeats_the_call_and_counts_against_nothing(
    launcher: Launcher, tmp_path: Path
) -> None:
    surroundings = Surroundings.around(launcher)
    async with open_pool(surroundings=surroundings) as pool:
        held = Held(pool, tmp_path, payload=b"photo")
        first_pid = await held.begun()
        held.forget_begun()
        (worker,) = pool.children
        worker.kill(Ending.KILLED)
        second_pid = await held.begun()
        held.release()

        await answered(held.reply)

    assert worker.ending is Ending.KILLED
    assert second_pid != first_pid
    assert pool.trouble is None
    assert surroundings.brake.backoff_seconds == 0
    assert not surroundings.suspects.is_refused(b"photo")


@pytest.mark.parametrize("code", [0, 3])
async def test_a_child_that_exits_in_a_call_fails_it(code: int) -> None:
    async with open_pool() as pool:
        with pytest.raises(WorkerFailed):
            await answered(ask(pool, "leave", code=code))

        reply = await answered(ask(pool, "echo", b"after"))

    assert reply.payload == b"after"


async def test_a_call_is_repeated_once_and_silently(tmp_path: Path) -> None:
    async with open_pool() as pool:
        await answered(ask(pool, "crash_once", mark=str(tmp_path / "crashed")))

    assert (tmp_path / "crashed").exists()
    assert (pool.statistics.died, pool.counters.retried, pool.counters.calls) == (1, 1, 1)


async def test_a_call_that_must_not_be_repeated_fails_at_the_first_death(tmp_path: Path) -> None:
    async with open_pool() as pool:
        with pytest.raises(WorkerFailed):
            await answered(ask(pool, "crash_once", mark=str(tmp_path / "crashed"), repeatable=False))

    assert (pool.statistics.died, pool.counters.retried) == (1, 0)


async def test_calls_behind_the_one_that_killed_the_child_are_repeated(tmp_path: Path) -> None:
    async with open_pool(ahead=1) as pool:
        held = Held(pool, tmp_path, repeatable=False)
        pid = await held.begun()
        behind = [ask(pool, "echo", value=number, repeatable=False) for number in range(3)]
        await until(lambda: pool.children[0].calls_in_flight == 2)
        os.kill(pid, signal.SIGKILL)

        with pytest.raises(WorkerFailed):
            await answered(held.reply)
        replies = [await answered(call) for call in behind]

    assert [reply.head["value"] for reply in replies] == [0, 1, 2]
    assert pool.counters.retried == 0


async def test_what_a_handler_refuses_is_told_as_it_said_it() -> None:
    async with open_pool() as pool:
        with pytest.raises(InvalidMedia) as refusal:
            await answered(ask(pool, "refuse"))

        await answered(ask(pool, "echo"))

    assert refusal.value.detail == "The picture is truncated."
    assert refusal.value.extra == {"where": 3}
    assert (pool.statistics.started, pool.counters.retried) == (1, 0)


async def test_an_exception_nobody_foresaw_fails_the_call_without_its_message() -> None:
    async with open_pool(log_level="error") as pool:
        with pytest.raises(WorkerFailed) as failure:
            await answered(ask(pool, "blunder"))

        await answered(ask(pool, "echo"))

    assert "somebody" not in failure.value.detail
    assert pool.statistics.started == 1


async def test_a_reply_that_is_not_json_fails_the_call() -> None:
    async with open_pool() as pool:
        with pytest.raises(WorkerFailed):
            await answered(ask(pool, "mumble", deadline=2))

        reply = await answered(ask(pool, "echo", b"after"))

    assert reply.payload == b"after"


async def test_the_data_limit_holds_and_the_child_is_replaced(launcher: Launcher) -> None:
    async with open_pool(launcher, data_limit_bytes=200 * MIB) as pool:
        before = await answered(ask(pool, "allocate", nbytes=64 * MIB))

        with pytest.raises(WorkerFailed, match="memory"):
            await answered(ask(pool, "allocate", nbytes=400 * MIB))

        await until(lambda: is_gone(before.pid))
        after = await answered(ask(pool, "allocate", nbytes=64 * MIB))

    assert after.pid != before.pid


async def test_a_call_that_hangs_ends_at_its_deadline_and_its_child_is_gone(tmp_path: Path) -> None:
    async with open_pool() as pool:
        held = Held(pool, tmp_path, deadline=2.0)
        pid = await held.begun()

        with pytest.raises(ProcessingTimeout):
            await answered(held.reply)

        assert is_gone(pid)  # its bytes were in use until then
        assert (await answered(ask(pool, "echo", b"after"))).payload == b"after"
    assert pool.counters.retried == 0


async def test_a_child_that_is_stopped_ends_its_call_at_the_deadline() -> None:
    async with open_pool() as pool:
        first = await answered(ask(pool, "echo"))
        os.kill(first.pid, signal.SIGSTOP)

        with pytest.raises(ProcessingTimeout):
            await answered(ask(pool, "echo", deadline=0.2))

        await until(lambda: is_gone(first.pid))
        assert (await answered(ask(pool, "echo", b"after"))).payload == b"after"


async def test_deadlines_count_against_nothing() -> None:
    async with open_pool() as pool:
        for _ in range(6):
            with pytest.raises(ProcessingTimeout):
                await answered(ask(pool, "sleep", b"photo", seconds=60, deadline=0.05))

        assert pool.trouble is None
        assert (await answered(ask(pool, "echo", b"photo"))).payload == b"photo"
    assert pool.statistics.died == 6


async def test_a_call_cancelled_at_work_still_ends_at_its_deadline(tmp_path: Path) -> None:
    async with open_pool() as pool:
        held = Held(pool, tmp_path, deadline=2.0)
        pid = await held.begun()
        held.reply.cancel()
        await asyncio.gather(held.reply, return_exceptions=True)

        assert is_gone(pid)
        assert (await answered(ask(pool, "echo", b"after"))).payload == b"after"


async def test_an_idle_child_that_is_killed_from_outside_is_not_given_a_call() -> None:
    async with open_pool() as pool:
        first = await answered(ask(pool, "echo"))
        os.kill(first.pid, signal.SIGKILL)
        await until(lambda: pool.statistics.died == 1)

        reply = await answered(ask(pool, "echo", repeatable=False))

    assert reply.pid != first.pid
