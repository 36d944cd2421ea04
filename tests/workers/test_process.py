"""What a child inherits, and that it never outlives its parent."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from app.workers.launch import CHILD_ENVIRONMENT
from app.workers.launcher import Launcher
from tests.media_files import REPOSITORY
from tests.workers.pools import answered, ask, is_gone, open_pool

GONE_WITHIN_SECONDS = 10.0


async def test_a_child_inherits_its_channel_and_the_standard_streams_only(launcher: Launcher) -> None:
    with socket.create_server(("127.0.0.1", 0)) as secret:
        os.set_inheritable(secret.fileno(), True)
        async with open_pool(launcher) as pool, open_pool(launcher) as sibling:
            await answered(ask(sibling, "echo"))
            reply = await answered(ask(pool, "describe"))
            head = reply.head

    descriptors = dict(head["descriptors"])
    channel = descriptors.pop(str(head["channel"]))
    streams = {descriptors.pop(str(number)) for number in (0, 1, 2)}
    assert channel.startswith("socket:")
    assert streams == {"/dev/null"}
    others = [target for target in descriptors.values() if not target.startswith(f"/proc/{reply.pid}")]
    assert len(others) <= 1  # its own copy of standard error
    assert not any(target.startswith(("socket:", "anon_inode:")) for target in descriptors.values())


async def test_a_child_has_none_of_our_settings_and_secrets(
    monkeypatch: pytest.MonkeyPatch, launcher: Launcher
) -> None:
    for name in ("BALLAST_SERVER__API_KEYS", "AWS_SECRET_ACCESS_KEY", "DATABASE_URL", "LD_PRELOAD", "PYTHONSTARTUP"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("LANG", "C.UTF-8")

    async with open_pool(launcher) as pool:
        environment = set((await answered(ask(pool, "describe"))).head["environment"])

    assert environment <= {"PATH", "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR", "PYTHONPATH", *CHILD_ENVIRONMENT}
    assert {"LANG", *CHILD_ENVIRONMENT} <= environment


async def test_a_child_is_in_a_process_group_of_its_own(launcher: Launcher) -> None:
    """So that Ctrl-C at the terminal does not reach it."""
    async with open_pool(launcher) as pool:
        reply = await answered(ask(pool, "describe"))

    assert reply.head["processGroup"] == reply.pid


@pytest.mark.parametrize("do", ["echo", "sleep"])
@pytest.mark.parametrize("start_method", ["exec", "fork"])
def test_a_child_dies_with_its_parent_idle_or_at_work(start_method: str, do: str) -> None:
    with _parent(start_method, do) as (parent, pids):
        parent.kill()
        parent.wait()

        assert all(_gone_soon(pid) for pid in pids)


@pytest.mark.parametrize("start_method", ["exec", "fork"])
def test_a_child_that_cannot_run_dies_with_its_parent_by_the_signal(start_method: str) -> None:
    """A stopped child does not see that its channel is closed, nor does a stopped zygote."""
    with _parent(start_method, "echo") as (parent, pids):
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)

        parent.kill()
        parent.wait()

        assert all(_gone_soon(pid) for pid in pids)


def test_a_child_exits_when_its_channel_closes_though_its_parent_lives() -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        child = subprocess.Popen(
            [sys.executable, "-m", "app", "worker", str(theirs.fileno()), str(os.getpid())],
            pass_fds=(theirs.fileno(),),
            cwd=REPOSITORY,
        )

    ours.close()

    assert child.wait(timeout=10) == 0


async def test_a_child_is_started_from_the_main_thread_only(launcher: Launcher) -> None:
    """A parent-death signal fires when the *thread* that started the child ends (prctl(2))."""

    async def start() -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            await launcher.start(theirs)

    with pytest.raises(AssertionError, match="main thread"):
        await asyncio.to_thread(asyncio.run, start())


async def test_a_child_survives_the_threads_of_its_parent(launcher: Launcher) -> None:
    async with open_pool(launcher) as pool:
        first = await answered(ask(pool, "echo"))
        threads = [threading.Thread(target=time.sleep, args=(0.01,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        second = await answered(ask(pool, "echo", repeatable=False))

    assert second.pid == first.pid


@pytest.mark.slow
async def test_a_child_that_was_idle_for_seconds_still_answers(launcher: Launcher) -> None:
    """What kills idle children is the end of the thread that started them: an executor's thread lives for 60 s at most.
    Here children cannot be started from such a thread (tested above), so a few seconds stand for those 60.
    """
    async with open_pool(launcher) as pool:
        first = await answered(ask(pool, "echo"))
        await asyncio.sleep(3)

        second = await answered(ask(pool, "echo", repeatable=False))

    assert second.pid == first.pid
    assert pool.statistics.died == 0


@contextmanager
def _parent(start_method: str, do: str) -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    """Give a running parent of one child, and the process ids of the child and of its zygote."""
    command = [sys.executable, "-m", "tests.workers.orphaning_parent", start_method, do]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY) as parent:
        try:
            assert parent.stdout is not None
            yield parent, [int(pid) for pid in parent.stdout.readline().split()]
        finally:
            parent.kill()


def _gone_soon(pid: int) -> bool:
    give_up_at = time.monotonic() + GONE_WITHIN_SECONDS
    while not is_gone(pid) and time.monotonic() < give_up_at:
        time.sleep(0.005)
    return is_gone(pid)
