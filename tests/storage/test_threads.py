from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from app.storage.threads import DiskThreads
from tests.leaks import open_descriptors


@pytest.fixture
async def disk() -> AsyncIterator[DiskThreads]:
    threads = DiskThreads(threads=2, long_calls=1)
    yield threads
    await threads.aclose()


async def test_a_call_runs_off_the_loop_and_its_error_comes_back(disk: DiskThreads) -> None:
    assert await disk.run(threading.get_ident) != threading.get_ident()
    with pytest.raises(ZeroDivisionError):
        await disk.run(divmod, 1, 0)


@pytest.mark.parametrize("how", ["task", "scope"])
async def test_a_cancellation_waits_for_the_thread(disk: DiskThreads, how: str) -> None:
    begun, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        go_on.wait()
        ended.set()

    async def watch() -> bool:
        try:
            await disk.run(work)
        finally:
            assert ended.is_set()
        return True

    if how == "task":
        task = asyncio.create_task(watch())
        await asyncio.to_thread(begun.wait)
        task.cancel()
        await asyncio.sleep(0)
        task.cancel()
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task
    else:
        async with anyio.create_task_group() as group:
            group.start_soon(watch)
            await asyncio.to_thread(begun.wait)
            group.cancel_scope.cancel()
            go_on.set()

    assert ended.is_set()


async def test_long_calls_leave_threads_for_short_ones(disk: DiskThreads) -> None:
    go_on = threading.Event()
    long_calls = [asyncio.create_task(disk.run_long(go_on.wait)) for _ in range(4)]
    await asyncio.sleep(0)

    assert await disk.run(abs, -1) == 1

    go_on.set()
    await asyncio.gather(*long_calls)


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
async def test_a_descriptor_is_closed_though_the_opening_is_cancelled(
    disk: DiskThreads, tmp_path: Path, turns: int
) -> None:
    path = tmp_path / "file"
    path.touch()

    async def hold() -> None:
        async with disk.opened(path, os.O_RDONLY):
            await asyncio.Event().wait()

    task = asyncio.create_task(hold())
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert str(path) not in open_descriptors().values()
