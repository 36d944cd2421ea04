"""A lane: a few threads for one class of work, and those who wait for them. What hangs in one lane holds up no other.

A thread cannot be stopped. So a call that makes no progress is given up by who waits for it, and ends whenever the
disk answers again; where all threads of a lane are in such calls, newcomers are told at once.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, Generic, TypeAlias, TypeVar

import anyio

from app.errors import StorageUnavailable, of_system

T = TypeVar("T")

Ended: TypeAlias = "Callable[[Call[Any], Any, BaseException | None], None]"

_RETRY_SECONDS = 10

_SHARE_BESIDE_HANGING = 0.1
"""Of the patience, for a call that begins while another hangs: most likely it is the disk, and it will hang too."""


class Call(Generic[T]):
    """One call on its way through a lane. `future` is done when the thread is, whoever still waits for it."""

    __slots__ = ("_claim", "_function", "began_at", "future", "patience_seconds", "queued_at")

    def __init__(self, function: Callable[[], T], queued_at: float, patience_seconds: float) -> None:
        self.future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self.queued_at = queued_at
        self.patience_seconds = patience_seconds
        self.began_at: float | None = None
        self._function: Callable[[], T] | None = function
        self._claim = threading.Lock()  # of the thread that runs it, or of who drops it: whoever comes first

    @property
    def has_succeeded(self) -> bool:
        return self.future.done() and not self.future.cancelled() and self.future.exception() is None

    def drop(self) -> bool:
        """Never run it, if it has not begun: return whether that is so. What it would have worked on is let go."""
        if not self._claim.acquire(blocking=False):
            return False
        self._function = None
        self.future.cancel()
        return True

    def run(self, clock: Callable[[], float], ended: Ended) -> None:
        """Runs in a thread."""
        if not self._claim.acquire(blocking=False):
            return
        function, self._function = self._function, None
        assert function is not None
        self.began_at = clock()
        result: T | None = None
        error: BaseException | None = None
        try:
            result = function()
        except BaseException as raised:  # it belongs to who waits
            error = raised
        del function
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self.future.get_loop().call_soon_threadsafe(ended, self, result, error)


class Lane:
    """Belongs to one event loop. Its threads are daemons: one that hangs does not keep the process from ending."""

    def __init__(
        self, name: str, threads: int, patience_seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`patience_seconds` is how long a call may run, and how long one may wait while no other ends."""
        self._name = name
        self._most = threads
        self._patience_seconds = patience_seconds
        self._clock = clock
        self._queue: SimpleQueue[Call[Any] | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._calls: set[Call[Any]] = set()
        self._progress_at = clock()

    @property
    def is_stuck(self) -> bool:
        """Whether all its threads are in calls that have run for too long."""
        return self._hanging >= self._most

    @property
    def _hanging(self) -> int:
        since = self._clock() - self._patience_seconds
        return sum(call.began_at is not None and call.began_at <= since for call in self._calls)

    def __contains__(self, call: object) -> bool:
        return call in self._calls

    def start(self, function: Callable[[], T]) -> Call[T]:
        """Begin a call; wait for it with `wait`.

        Raises:
            StorageUnavailable: all threads hang.
        """
        if self.is_stuck:
            raise _hung()
        return self.post(function)

    def post(self, function: Callable[[], T]) -> Call[T]:
        """Have a call done, now or when the threads are free again, whoever waits for it."""
        share = _SHARE_BESIDE_HANGING if self._hanging else 1.0
        call = Call(function, self._clock(), self._patience_seconds * share)
        call.future.add_done_callback(_see)
        self._calls.add(call)
        self._queue.put(call)
        if len(self._calls) > len(self._threads) < self._most:
            thread = threading.Thread(target=self._serve, name=f"disk-{self._name}", daemon=True)
            self._threads.append(thread)
            thread.start()
        return call

    async def wait(self, call: Call[T], *, drop: bool = True) -> T:
        """Wait for a call to end, also if we are cancelled meanwhile (by a scope of anyio or as a task).

        Where it makes no progress, it is left alone; if it has not begun it never does, unless `drop` is false.

        Raises:
            StorageUnavailable: it makes no progress.
            BallastError: what the system's error means (`errors.of_system`).
            Exception: what the function raised.
        """
        cancelled: asyncio.CancelledError | None = None
        with anyio.CancelScope(shield=True):
            while not call.future.done() and (seconds := self._seconds_left(call)) > 0:
                try:
                    await asyncio.wait((call.future,), timeout=seconds)
                except asyncio.CancelledError as error:
                    cancelled = error
        if cancelled is not None or not call.future.done():
            if drop and not call.future.done() and call.drop():
                self._calls.discard(call)
            raise cancelled or _hung()
        return call.future.result()

    async def aclose(self) -> bool:
        """End the threads when everything is done; return whether that was in time (else they end when they can)."""
        with anyio.CancelScope(shield=True):
            while self._calls and not self.is_stuck:
                seconds = max(self._seconds_left(call) for call in self._calls)
                await asyncio.wait([call.future for call in self._calls], timeout=max(seconds, 0.01))
        for _ in self._threads:
            self._queue.put(None)
        return not self._calls

    def _seconds_left(self, call: Call[Any]) -> float:
        since = max(call.queued_at, self._progress_at) if call.began_at is None else call.began_at
        return since + call.patience_seconds - self._clock()

    def _serve(self) -> None:
        """Runs in a thread."""
        while (call := self._queue.get()) is not None:
            call.run(self._clock, self._ended)
            del call  # and with it what it worked on

    def _ended(self, call: Call[Any], result: object, error: BaseException | None) -> None:
        self._calls.discard(call)
        self._progress_at = self._clock()
        if call.future.done():
            return
        if error is None:
            call.future.set_result(result)
            return
        known = of_system(error)
        if known is not None:
            known.__cause__ = error
        call.future.set_exception(known or error)


def _see(future: asyncio.Future[Any]) -> None:
    """Take note of how it ended, so that nothing complains that nobody did."""
    if not future.cancelled():
        future.exception()


def _hung() -> StorageUnavailable:
    return StorageUnavailable("The disk does not answer. Try again later.", retry_after_seconds=_RETRY_SECONDS)
