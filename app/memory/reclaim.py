"""Giving memory back: whoever can free some registers here, and is asked in order, cheapest first."""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum

logger = logging.getLogger("ballast.memory")

ReclaimCallback = Callable[[int | None], "int | Awaitable[int]"]
"""Takes the bytes still wanted (None: all it can free), returns the bytes freed; a plain function must be quick."""


class ReclaimPriority(IntEnum):
    """The order in which reclaimers are asked: what is rebuilt most cheaply goes first."""

    CACHE = 10
    IDLE_MODELS = 20
    GARBAGE = 40
    TRIM = 50


@dataclass(frozen=True, slots=True)
class Reclaimed:
    """What one reclaimer did; `error` is its class name if it failed, `timeout` if it hung."""

    name: str
    freed_bytes: int
    seconds: float
    error: str | None = None


@dataclass(frozen=True, slots=True)
class ReclaimStatistics:
    """All runs so far; `last_at` is in UTC."""

    runs: int
    freed_bytes: int
    last_at: datetime | None


class ReclaimRegistry:
    """Runs the registered reclaimers, one run at a time.

    A reclaimer that fails, or takes longer than `timeout_seconds`, is logged and passed over; one that ran less than
    its own interval ago is left out.
    """

    def __init__(self, *, timeout_seconds: float = 5.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._timeout_seconds = timeout_seconds
        self._clock = clock
        self._reclaimers: list[_Reclaimer] = []
        self._queue: list[_Run] = []  # the run that is going on, and the next
        self._runs = 0
        self._freed_bytes = 0
        self._last_at: datetime | None = None

    def register(
        self, name: str, priority: int, callback: ReclaimCallback, *, min_interval_seconds: float = 0.0
    ) -> Callable[[], None]:
        """Add a reclaimer; the function that is returned takes it out again (and does nothing the second time)."""
        reclaimer = _Reclaimer(name, priority, callback, min_interval_seconds)
        self._reclaimers.append(reclaimer)
        self._reclaimers.sort(key=lambda entry: entry.priority)

        def unregister() -> None:
            if reclaimer in self._reclaimers:
                self._reclaimers.remove(reclaimer)

        return unregister

    async def reclaim(self, wanted_bytes: int | None = None) -> tuple[Reclaimed, ...]:
        """Ask the reclaimers in order until `wanted_bytes` are free again; None: ask all of them.

        While a run is going on, a call that asks for no more than it shares its result; others share the next run.
        A run goes on when its caller is cancelled.
        """
        if self._queue and self._queue[0].covers(wanted_bytes):
            run = self._queue[0]
        elif len(self._queue) > 1:
            run = self._queue[1]
            run.widen(wanted_bytes)
        else:
            run = self._start(wanted_bytes)
        return await asyncio.shield(run.task)

    def statistics(self) -> ReclaimStatistics:
        return ReclaimStatistics(self._runs, self._freed_bytes, self._last_at)

    async def aclose(self) -> None:
        """Cancel what is running and wait for its end, for at most `timeout_seconds`."""
        tasks = [run.task for run in self._queue]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=self._timeout_seconds)

    def _start(self, wanted_bytes: int | None) -> _Run:
        run = _Run(wanted_bytes)
        run.task = asyncio.create_task(self._execute(run, [one.task for one in self._queue]), name="reclaim")
        run.task.add_done_callback(lambda _: self._queue.remove(run))
        self._queue.append(run)
        return run

    async def _execute(self, run: _Run, before: list[asyncio.Task[tuple[Reclaimed, ...]]]) -> tuple[Reclaimed, ...]:
        if before:
            await asyncio.wait(before)
        report: list[Reclaimed] = []
        freed_bytes = 0
        self._runs += 1
        self._last_at = datetime.now(UTC)
        for reclaimer in tuple(self._reclaimers):
            if run.wanted_bytes is not None and freed_bytes >= run.wanted_bytes:
                break
            if reclaimer in self._reclaimers and reclaimer.is_due(self._clock()):
                missing = None if run.wanted_bytes is None else run.wanted_bytes - freed_bytes
                report.append(await self._ask(reclaimer, missing))
                freed_bytes += report[-1].freed_bytes
                self._freed_bytes += report[-1].freed_bytes
        return tuple(report)

    async def _ask(self, reclaimer: _Reclaimer, wanted_bytes: int | None) -> Reclaimed:
        started_at = reclaimer.asked_at = self._clock()
        freed_bytes, error = 0, None
        try:
            async with asyncio.timeout(self._timeout_seconds) as limit:
                answer = reclaimer.callback(wanted_bytes)
                freed_bytes = max(0, await answer if inspect.isawaitable(answer) else answer)
        except (Exception, asyncio.CancelledError) as failure:
            if _is_cancelled():
                raise
            error = "timeout" if limit.expired() else type(failure).__name__
            logger.exception("reclaimer %r failed (%s)", reclaimer.name, error)
        return Reclaimed(reclaimer.name, freed_bytes, self._clock() - started_at, error)


def _is_cancelled() -> bool:
    """Whether the run itself is cancelled, and not only something that a reclaimer waited for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


@dataclass(slots=True, eq=False)
class _Reclaimer:
    name: str
    priority: int
    callback: ReclaimCallback
    min_interval_seconds: float
    asked_at: float | None = None

    def is_due(self, now: float) -> bool:
        return self.asked_at is None or now - self.asked_at >= self.min_interval_seconds


class _Run:
    task: asyncio.Task[tuple[Reclaimed, ...]]

    def __init__(self, wanted_bytes: int | None) -> None:
        self.wanted_bytes = wanted_bytes

    def covers(self, wanted_bytes: int | None) -> bool:
        return self.wanted_bytes is None or (wanted_bytes is not None and wanted_bytes <= self.wanted_bytes)

    def widen(self, wanted_bytes: int | None) -> None:
        if not self.covers(wanted_bytes):
            self.wanted_bytes = wanted_bytes
