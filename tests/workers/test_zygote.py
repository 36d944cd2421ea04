"""Children of a zygote: forked from it, and gone with it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from app.workers.ending import Ending
from app.workers.surroundings import Surroundings
from tests.leaks import open_descriptors
from tests.media_files import REPOSITORY
from tests.workers.accounts import Ledger
from tests.workers.pools import Held, answered, ask, is_gone, open_pool, until
from tests.workers.zygotes import (
    CALM,
    PRELOADS,
    children_of,
    descriptors_of,
    open_zygote,
    start,
    start_and_end,
)


async def test_a_child_has_what_the_zygote_loaded() -> None:
    async with open_zygote(CALM) as (zygote, watch), open_pool(zygote) as pool:
        reply = await answered(ask(pool, "preloaded_by", module=CALM))
        described = (await answered(ask(pool, "describe"))).head

    assert [reply.head["loadedBy"]] == watch.pids == [described["parent"]]


async def test_what_a_child_loads_is_lean() -> None:
    async with open_zygote(CALM) as (zygote, _), open_pool(zygote) as pool:
        modules = (await answered(ask(pool, "describe"))).head["modules"]

    assert not {"asyncio", "argparse", "anyio", "subprocess", "fastapi"} & set(modules)


async def test_the_zygote_starts_with_the_first_child_and_is_one_for_all() -> None:
    async with open_zygote() as (zygote, watch):
        before = (zygote.is_running, zygote.start_method, zygote.obstacle)

        methods = await asyncio.gather(*(start_and_end(zygote) for _ in range(4)))

        assert zygote.is_running
        assert not is_gone(watch.pids[0])
    assert before == (False, "fork", None)
    assert methods == ["fork"] * 4
    assert len(watch.pids) == 1


async def test_one_that_has_no_child_leaves_before_its_time_where_its_memory_is_wanted() -> None:
    async with open_zygote() as (zygote, watch):
        child, channel = await start(zygote)
        with_child = zygote.leave_if_idle()
        channel.close()
        await child.wait()
        await until(zygote.leave_if_idle)  # it rests for a second
        await until(lambda: watch.running == [])

        method = await start_and_end(zygote)

    assert not with_child
    assert method == "fork"
    assert len(watch.pids) == 2


async def test_it_leaves_when_it_has_had_no_child_for_a_while_and_comes_back() -> None:
    async with open_zygote(idle_seconds=0.05) as (zygote, watch):
        child, channel = await start(zygote)
        await asyncio.sleep(0.3)
        is_running_for_a_child = zygote.is_running
        channel.close()
        await child.wait()
        await until(lambda: watch.ended_pids == watch.pids)
        is_running_for_nobody = zygote.is_running

        assert await start_and_end(zygote) == "fork"

    assert (is_running_for_a_child, is_running_for_nobody) == (True, False)
    assert len(watch.pids) == 2
    assert zygote.obstacle is None


async def test_a_zygote_that_nobody_waits_for_any_more_leaves_too() -> None:
    async with open_zygote(idle_seconds=0.05) as (zygote, watch):
        starting = asyncio.create_task(start(zygote))
        await until(lambda: watch.pids != [])
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)

        await until(lambda: watch.ended_pids == watch.pids)


async def test_a_call_whose_zygote_is_killed_is_repeated_in_a_child_of_the_next_one(tmp_path: Path) -> None:
    ledger = Ledger(grants=0)
    async with open_zygote() as (zygote, watch):
        surroundings = Surroundings.around(zygote)
        async with open_pool(surroundings=surroundings, ledger=ledger) as pool:
            worker = await pool.start(ledger.granted())
            held = Held(pool, tmp_path, payload=b"photo")
            await held.begun()
            held.forget_begun()

            os.kill(watch.pids[0], signal.SIGKILL)
            pid = await held.begun()
            held.release()
            await answered(held.reply)

            assert pool.children[0].sandbox["startMethod"] == "fork"
        assert worker.ending is Ending.KILLED
        assert is_gone(worker.pid)
        assert ledger.pids == [worker.pid, pid]
        assert len(watch.pids) == 2
        assert surroundings.brake.backoff_seconds == 0
        assert not surroundings.suspects.is_refused(b"photo")


async def test_all_children_of_a_zygote_that_dies_are_gone_and_reaped() -> None:
    async with open_zygote() as (zygote, watch):
        started = [await start(zygote) for _ in range(5)]

        watch.kills[0]()

        codes = [await child.wait() for child, _ in started]
        for _, channel in started:
            channel.close()
        assert codes == [-signal.SIGKILL] * 5
        assert all(is_gone(child.pid) for child, _ in started)
        assert watch.ended_pids == watch.pids


async def test_closing_ends_the_zygote_and_its_children() -> None:
    async with open_zygote() as (zygote, watch):
        child, channel = await start(zygote)

        await zygote.aclose()

        await child.wait()
        channel.close()
        assert all(is_gone(pid) for pid in (child.pid, *watch.pids))
        await zygote.aclose()


async def test_a_zygote_that_is_stopped_is_killed_on_closing() -> None:
    async with open_zygote() as (zygote, watch):
        await start_and_end(zygote)
        os.kill(watch.pids[0], signal.SIGSTOP)

    assert is_gone(watch.pids[0])


async def test_a_child_that_is_killed_tells_its_signal_and_one_that_exits_its_code() -> None:
    async with open_zygote() as (zygote, _):
        killed, first = await start(zygote)
        faulty, second = await start(zygote)
        let_go, third = await start(zygote)

        killed.kill()
        os.kill(faulty.pid, signal.SIGSEGV)
        third.close()

        assert [await child.wait() for child in (killed, faulty, let_go)] == [-signal.SIGKILL, -signal.SIGSEGV, 0]
        killed.kill()  # a process that is gone may be killed again
        for channel in (first, second):
            channel.close()


async def test_siblings_draw_different_random_numbers() -> None:
    async with open_zygote("random", "numpy.random") as (zygote, _):
        drawn = []
        for _ in range(3):
            async with open_pool(zygote) as pool:
                drawn.append((await answered(ask(pool, "draw"))).head)

    assert len({one["python"] for one in drawn}) == 3
    assert len({one["numpy"] for one in drawn}) == 3


async def test_a_child_handles_signals_as_a_fresh_interpreter_does() -> None:
    async with open_zygote(f"{PRELOADS}.late_thread") as (zygote, _), open_pool(zygote) as pool:
        described = (await answered(ask(pool, "describe"))).head

    is_ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN  # as in a job that a shell put into the background
    assert described["handled"] == ([] if is_ignored else [signal.SIGINT])


@pytest.mark.parametrize("turns", [1, 2, 3, 5, 8, 13])
async def test_a_start_that_is_cancelled_leaves_no_child(turns: int) -> None:
    async with open_zygote() as (zygote, watch):
        await start_and_end(zygote)
        starting = asyncio.create_task(start(zygote))
        for _ in range(turns):
            await asyncio.sleep(0)
        starting.cancel()
        outcome = (await asyncio.gather(starting, return_exceptions=True))[0]
        if not isinstance(outcome, BaseException):  # it was too late
            outcome[1].close()

        await until(lambda: children_of(watch.pids[0]) == [])


async def test_two_hundred_children_leave_nothing_behind() -> None:
    async with open_zygote() as (zygote, watch):
        await start_and_end(zygote)
        (pid,) = watch.pids
        before = (len(open_descriptors()), descriptors_of(pid))

        for _ in range(50):
            await asyncio.gather(*(start_and_end(zygote) for _ in range(4)))

        assert (len(open_descriptors()), descriptors_of(pid)) == before
        assert children_of(pid) == []
        assert watch.pids == [pid]


def test_it_serves_under_uvloop_too() -> None:
    """In a process of its own: libuv keeps two descriptors for good."""
    program = "import uvloop; from tests.workers import test_zygote; uvloop.run(test_zygote.serve_a_while())"

    outcome = subprocess.run(
        [sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, timeout=50, check=False
    )

    assert (outcome.returncode, outcome.stdout.split()) == (0, ["fork"] * 4), outcome.stderr


async def serve_a_while() -> None:
    """Start children, one after the zygote was killed; print how each was started."""
    async with open_zygote() as (zygote, watch):
        for _ in range(3):
            print(await start_and_end(zygote))  # noqa: T201 - read by the test
        child, channel = await start(zygote)
        os.kill(watch.pids[0], signal.SIGKILL)
        await child.wait()
        channel.close()
        print(await start_and_end(zygote))  # noqa: T201 - read by the test
