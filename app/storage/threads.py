"""Threads for file I/O: nothing that can block on a disk runs on the event loop."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar, TypeVarTuple

import anyio
import anyio.to_thread

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class DiskThreads:
    """A small pool of threads. Its size bounds how many buffers are on their way to the disk at a time."""

    def __init__(self, threads: int = 8, long_calls: int = 3) -> None:
        """`long_calls` is how many of the threads may be in a long call (fsync, a large unlink) at a time."""
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="disk")
        self._long = asyncio.Semaphore(long_calls)

    def start(self, function: Callable[[*Ts], T], *args: *Ts) -> asyncio.Future[T]:
        """Start `function` in a thread and return at once. Whoever starts it must wait for it with `finish`."""
        return asyncio.get_running_loop().run_in_executor(self._executor, function, *args)

    async def run(self, function: Callable[[*Ts], T], *args: *Ts) -> T:
        """Run `function` in a thread; a cancellation is delivered only after it has ended."""
        return await finish(self.start(function, *args))

    async def run_long(self, function: Callable[[*Ts], T], *args: *Ts) -> T:
        """Like `run`, for calls that may take seconds: they never take all the threads."""
        async with self._long:
            return await self.run(function, *args)

    @asynccontextmanager
    async def opened(self, path: Path, flags: int) -> AsyncIterator[int]:
        """Give a descriptor for the block; it is closed afterwards, also where we are cancelled while it opens.

        Raises:
            OSError: it cannot be opened.
        """
        fds: list[int] = []  # filled in the thread: a cancelled wait is not told what was opened
        try:
            await self.run(_open, path, flags | os.O_CLOEXEC, fds)
            yield fds[0]
        finally:
            for fd in fds:
                await self.run(os.close, fd)

    async def aclose(self) -> None:
        """Let the threads finish what they are doing, and end them."""
        await anyio.to_thread.run_sync(self._executor.shutdown)


def _open(path: Path, flags: int, fds: list[int]) -> None:
    fds.append(os.open(path, flags))


async def finish(work: asyncio.Future[T] | Coroutine[Any, Any, T]) -> T:
    """Wait for `work` to end, even if we are cancelled meanwhile (by a scope of anyio or as a task); cancel us then.

    A thread cannot be stopped: closing its file or leaving its buffer before it ends would be worse than waiting.
    And some work must not stop halfway: an item that is visible has to be counted.
    """
    future: asyncio.Future[T] = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    with anyio.CancelScope(shield=True):
        while not future.done():
            try:
                await asyncio.wait((future,))
            except asyncio.CancelledError as error:
                cancelled = error
    if cancelled is not None:
        if not future.cancelled():
            future.exception()  # marks it as seen
        raise cancelled
    return future.result()
