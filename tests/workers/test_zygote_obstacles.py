"""Where no child can be forked it is started plainly, and why is told."""

from __future__ import annotations

import os
import signal

import pytest

from tests.workers.pools import answered, ask, is_gone, open_pool, until
from tests.workers.zygotes import (
    CALM,
    PRELOADS,
    open_zygote,
    start,
    start_and_end,
)


@pytest.mark.slow
async def test_the_end_of_a_child_is_noticed_though_the_zygote_is_stopped() -> None:
    async with open_zygote() as (zygote, watch):
        child, channel = await start(zygote)
        os.kill(watch.pids[0], signal.SIGSTOP)

        child.kill()

        assert await child.wait() == -signal.SIGKILL
        channel.close()


@pytest.mark.slow
async def test_a_start_from_a_zygote_that_is_stopped_fails_and_the_next_one_works() -> None:
    async with open_zygote() as (zygote, watch):
        await start_and_end(zygote)
        os.kill(watch.pids[0], signal.SIGSTOP)

        with pytest.raises(OSError, match="does not answer"):
            await start(zygote)

        assert await start_and_end(zygote) == "fork"
    assert len(watch.pids) == 2


async def test_a_zygote_that_keeps_dying_is_not_started_for_a_while() -> None:
    now = 1000.0
    async with open_zygote(clock=lambda: now) as (zygote, watch):
        for number in range(5):
            assert await start_and_end(zygote) == "fork"
            os.kill(watch.pids[number], signal.SIGKILL)
            await until(lambda: watch.ended_pids == watch.pids)

        method, obstacle = await start_and_end(zygote), zygote.obstacle
        now += 60
        later_method = await start_and_end(zygote)

        assert zygote.obstacle is None
    assert (method, later_method) == ("exec", "fork")
    assert obstacle is not None
    assert "died too often" in obstacle


@pytest.mark.parametrize(
    ("preload", "reason"),
    [
        (f"{PRELOADS}.threaded", "2 threads"),
        (f"{PRELOADS}.dying", "ended with SIGSEGV"),
        (f"{PRELOADS}.hanging", "not ready in time"),
    ],
)
async def test_a_child_is_started_plainly_where_the_zygote_cannot_fork_and_why_is_told(
    preload: str, reason: str
) -> None:
    async with open_zygote(preload, ready_seconds=0.5 if "hanging" in preload else 10.0) as (zygote, watch):
        method = await start_and_end(zygote)
        await until(lambda: watch.ended_pids == watch.pids)

        assert (method, zygote.start_method, zygote.is_running) == ("exec", "exec", False)
        assert zygote.obstacle is not None
        assert reason in zygote.obstacle


async def test_a_zygote_that_gets_a_thread_forks_no_more_and_its_children_live_on() -> None:
    async with open_zygote(f"{PRELOADS}.late_thread") as (zygote, watch):
        forked, channel = await start(zygote)
        os.kill(watch.pids[0], signal.SIGUSR1)
        await until(lambda: len(os.listdir(f"/proc/{watch.pids[0]}/task")) == 2)  # noqa: PTH208 - not a folder

        methods = [await start_and_end(zygote) for _ in range(2)]
        was_gone = is_gone(forked.pid)
        channel.close()

        await until(lambda: watch.ended_pids == watch.pids)
        assert await forked.wait() == 0
        assert zygote.obstacle is not None
        assert "threads" in zygote.obstacle
    assert methods == ["exec", "exec"]
    assert not was_gone
    assert len(watch.pids) == 1


@pytest.mark.parametrize("missing", ["no_such_module", f"{PRELOADS}.broken"])
async def test_a_module_that_cannot_be_loaded_is_left_out(missing: str) -> None:
    async with open_zygote(missing, CALM) as (zygote, watch), open_pool(zygote) as pool:
        reply = await answered(ask(pool, "preloaded_by", module=CALM))

    assert [reply.head["loadedBy"]] == watch.pids


@pytest.mark.parametrize("lack", ["pidfd_open", "pidfd_send_signal"])
async def test_without_pidfds_children_are_started_plainly(monkeypatch: pytest.MonkeyPatch, lack: str) -> None:
    def refuse(*_: object) -> int:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(os if lack == "pidfd_open" else signal, lack, refuse)
    async with open_zygote() as (zygote, watch):
        method = await start_and_end(zygote)

        assert (method, zygote.start_method) == ("exec", "exec")
        assert zygote.obstacle is not None
        assert lack in zygote.obstacle
    assert watch.pids == []


async def test_without_pidfds_a_child_is_killed_and_waited_for_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "pidfd_open")
    async with open_zygote() as (zygote, _):
        child, channel = await start(zygote)

        child.kill()

        assert await child.wait() == -signal.SIGKILL
        channel.close()
