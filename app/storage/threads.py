"""Threads for file I/O: nothing that can block on a disk runs on the event loop, and nothing waits for ever."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, TypeVarTuple

import anyio

from app.errors import StorageUnavailable
from app.storage.lane import Call, Lane

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

logger = logging.getLogger("ballast.storage")

PATIENCE_SECONDS = 30.0
"""How long one call may take: a spinning disk needs 10 s to wake up, and a network file system as long to fail over."""

_LONG_CALLS = 2
"""Times that, for a long call: it writes out up to 64 MiB, so a disk that takes 1 MiB a second is slow and not hung."""


class DiskThreads:
    """Three lanes of threads: for reading, for writing, and for calls that may take seconds (fsync, a large unlink).

    The number of threads bounds how many buffers are on their way to the disk at a time. A disk that does not answer
    is an error of whoever waits (StorageUnavailable), in bounded time; no other class of work waits for it.
    """

    def __init__(self, threads: int = 6, long_calls: int = 3, patience_seconds: float = PATIENCE_SECONDS) -> None:
        """`threads` is how many read, and as many write; `long_calls` how many are in a long call."""
        self._reading = Lane("read", threads, patience_seconds)
        self._writing = Lane("write", threads, patience_seconds)
        self._long = Lane("long", long_calls, patience_seconds * _LONG_CALLS)

    async def run(self, function: Callable[[*Ts], T], *args: *Ts) -> T:
        """Run `function` in a thread; a cancellation is delivered only after it has ended.

        Raises:
            StorageUnavailable: the disk does not answer. The function ends some time later, or never begins.
            StorageFull, Overloaded: what the system said.
        """
        return await self._writing.wait(self._writing.start(partial(function, *args)))

    async def read(self, function: Callable[[*Ts], T], *args: *Ts) -> T:
        """Like `run`, for calls that only read: writers that wait for the disk do not hold them up."""
        return await self._reading.wait(self._reading.start(partial(function, *args)))

    async def run_long(self, function: Callable[[*Ts], T], *args: *Ts) -> T:
        """Like `run`, for calls that may take seconds: they never take the threads of the others."""
        return await self._long.wait(self._long.start(partial(function, *args)))

    async def ensure(self, function: Callable[[*Ts], object], *args: *Ts) -> bool:
        """Have `function` run for certain: now, or when the disk answers again; return whether it has been.

        For what is cleaned up: nobody is helped by an error.
        """
        try:
            await self._writing.wait(self._writing.post(partial(function, *args)), drop=False)
        except StorageUnavailable:
            return False
        return True

    def start(self, function: Callable[[*Ts], T], *args: *Ts) -> Call[T]:
        """Start a `run` and return at once. Whoever starts it waits for it with `settle`, before its arguments end.

        Raises:
            StorageUnavailable: the disk does not answer.
        """
        return self._writing.start(partial(function, *args))

    def start_reading(self, function: Callable[[*Ts], T], *args: *Ts) -> Call[T]:
        """Like `start`, for a `read`."""
        return self._reading.start(partial(function, *args))

    def start_long(self, function: Callable[[*Ts], T], *args: *Ts) -> Call[T]:
        """Like `start`, for a long call."""
        return self._long.start(partial(function, *args))

    async def settle(self, call: Call[T]) -> T:
        """Wait for what was started, as `run` does; where that raises and `call.future` is not done, it still runs."""
        lanes = (self._reading, self._writing, self._long)
        return await next((lane for lane in lanes if call in lane), self._writing).wait(call)

    def after(self, call: Call[Any], function: Callable[[*Ts], object], *args: *Ts) -> None:
        """Run `function` in a thread once `call` has ended; nobody waits for that."""
        call.future.add_done_callback(lambda _: self._writing.post(partial(function, *args)))

    @asynccontextmanager
    async def opened(self, path: Path, flags: int) -> AsyncIterator[int]:
        """Give a descriptor for the block; it is closed afterwards, also where we are cancelled while it opens.

        Raises:
            OSError: it cannot be opened.
        """
        fds: list[int] = []  # filled in the thread: a cancelled wait is not told what was opened
        call = self._reading.start(partial(_open, path, flags | os.O_CLOEXEC, fds))
        try:
            await self._reading.wait(call)
            yield fds[0]
        finally:
            if call.future.done():
                await self.ensure(_close, fds)
            else:
                self.after(call, _close, fds)

    async def aclose(self) -> None:
        """Let the threads finish what they are doing, and end them; those that hang are left behind."""
        lanes = (self._reading, self._writing, self._long)
        if not all(await asyncio.gather(*(lane.aclose() for lane in lanes))):
            logger.warning("the disk does not answer: what was begun on it is left to itself")


def _open(path: Path, flags: int, fds: list[int]) -> None:
    fds.append(os.open(path, flags))


def _close(fds: list[int]) -> None:
    while fds:
        os.close(fds.pop())


async def finish(work: asyncio.Future[T] | Coroutine[Any, Any, T]) -> T:
    """Wait for `work` to end, even if we are cancelled meanwhile (by a scope of anyio or as a task); cancel us then.

    Some work must not stop halfway: an item that is visible has to be counted. Each call that it makes is bounded.
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
