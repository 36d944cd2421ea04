"""Which models are in use; what is not goes when it was idle for too long, or when the pressure asks for it."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from app.domain.pressure import PressureLevel
from app.errors import BallastError
from app.memory.governor import Governor
from app.memory.reclaim import ReclaimPriority
from app.vision.accounts import INSTANCES_PART, WorkerAccounts
from app.workers.channel import Message
from app.workers.pool import WorkerPool
from app.workers.process import WorkerGone, WorkerProcess
from app.workers.reply import Reply

logger = logging.getLogger("ballast.inference")

_RECLAIM_SECONDS = 1.0
_UNLOAD_SECONDS = 5.0
_REST_SECONDS = 1.0
"""How long a model must have been unused before it may be taken for somebody else's bytes."""

_NEW_SECONDS = 5.0
"""How long a worker is spared after its start: one that was just loaded would be loaded again at once."""


class ModelUsage:
    """Counts leases by task."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._leases: Counter[str] = Counter()
        self._last_used: dict[str, float] = {}

    @contextmanager
    def lease(self, task: str) -> Iterator[None]:
        """Mark the task as used for the block."""
        self._leases[task] += 1
        try:
            yield
        finally:
            self._leases[task] -= 1
            self._last_used[task] = self._clock()

    def idle_seconds(self, task: str) -> float:
        """Return for how long the task has not been used; 0 while it is, infinite if it never was."""
        if self._leases[task] > 0:
            return 0.0
        last = self._last_used.get(task)
        return float("inf") if last is None else self._clock() - last


class Upkeep:
    """Reclaims models and workers; `run` unloads what nobody used for `idle_seconds`."""

    def __init__(
        self,
        pool: WorkerPool,
        accounts: WorkerAccounts,
        usage: ModelUsage,
        governor: Governor,
        idle_seconds: float,
    ) -> None:
        self._pool = pool
        self._accounts = accounts
        self._usage = usage
        self._idle_seconds = idle_seconds
        self._undo: list[Callable[[], None]] = [
            governor.subscribe(self._follow),
            governor.reclaim.register(
                "idle models", ReclaimPriority.IDLE_MODELS, self._reclaim_models, min_interval_seconds=_RECLAIM_SECONDS
            ),
            governor.reclaim.register(
                "idle workers",
                ReclaimPriority.IDLE_WORKERS,
                self._reclaim_workers,
                min_interval_seconds=_RECLAIM_SECONDS,
            ),
        ]

    async def run(self) -> None:
        """Unload models that were idle for too long, until cancelled. A worker with nothing else exits by itself."""
        while True:
            await asyncio.sleep(min(self._idle_seconds / 4, 5.0))
            await self.unload_idle(self._idle_seconds)

    async def unload_idle(self, idle_seconds: float) -> int:
        """Unload models unused for so long from workers that have others too; return the bytes freed.

        A model that another one serves as well goes too: `hands`, once `gestures` is there.
        """
        freed_bytes = 0
        for worker in self._pool.workers:
            sizes = self._accounts.models_of(worker.pid)
            idle = {task for task in sizes if self._usage.idle_seconds(task) >= idle_seconds}
            idle |= {task for task in self._accounts.redundant(worker.pid) if self._usage.idle_seconds(task) > 0}
            if idle and len(idle) < len(sizes):
                freed_bytes += await self._unload(worker, idle)
        return freed_bytes

    def close(self) -> None:
        for undo in self._undo:
            undo()

    async def _unload(self, worker: WorkerProcess, tasks: set[str]) -> int:
        before = self._accounts.models_of(worker.pid)
        unloading = self._pool.command(worker.pid, Message({"unload": sorted(tasks)}, b""), _UNLOAD_SECONDS)
        if unloading is None:
            return 0
        try:
            reply = await unloading
        except (WorkerGone, TimeoutError):
            return 0
        except BallastError:
            logger.warning("models were not unloaded", extra={"pid": worker.pid, "tasks": sorted(tasks)})
            return 0
        self._accounts.record_models(worker.pid, reply.head)
        after = self._accounts.models_of(worker.pid)
        self._accounts.give_back(worker.pid, [f"model:{task}" for task in tasks if task not in after])
        return sum(before.values()) - sum(after.values())

    async def _reclaim_models(self, _wanted_bytes: int | None) -> int:
        return await self.unload_idle(_REST_SECONDS)

    async def _reclaim_workers(self, _wanted_bytes: int | None) -> int:
        return await self._pool.stop_idle(self._is_spared)

    def _is_spared(self, worker: WorkerProcess) -> bool:
        is_idle = all(self._usage.idle_seconds(task) >= _REST_SECONDS for task in self._accounts.models_of(worker.pid))
        return not is_idle or self._accounts.age_seconds(worker.pid) < _NEW_SECONDS

    def _follow(self, level: PressureLevel) -> None:
        if level >= PressureLevel.CRITICAL:
            self._pool.crew.dismiss_largest()
        elif level >= PressureLevel.HIGH:
            self._pool.crew.shrink()
            for worker in self._pool.workers:
                self._lower_concurrency(worker)

    def _lower_concurrency(self, worker: WorkerProcess) -> None:
        """Have a worker take one call at a time, and keep one instance of each model."""
        if worker.concurrency == 1:
            return
        worker.concurrency = 1
        unloading = self._pool.command(worker.pid, Message({"keepInstances": 1}, b""), _UNLOAD_SECONDS)
        if unloading is not None:
            unloading.add_done_callback(lambda done: self._surplus_unloaded(worker.pid, done))

    def _surplus_unloaded(self, pid: int, done: asyncio.Future[Reply]) -> None:
        if done.exception() is None:
            self._accounts.record_models(pid, done.result().head)
            self._accounts.give_back(pid, [INSTANCES_PART])
