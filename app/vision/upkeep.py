"""Keeps the vision workers to what the pressure allows, and lets idle models go: cheapest first."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from app.domain.pressure import PressureLevel
from app.memory.governor import Governor
from app.memory.reclaim import ReclaimPriority
from app.vision.accounts import WIDER_PART, WorkerAccounts
from app.vision.usage import ModelUsage
from app.workers.answer import Answer
from app.workers.pool import WorkerPool
from app.workers.process import WorkerGone, WorkerProcess

logger = logging.getLogger("ballast.inference")

_RECLAIM_SECONDS = 1.0
_UNLOAD_SECONDS = 5.0
_REST_SECONDS = 1.0
"""How long a model must have been unused before it may be taken for somebody else's bytes."""

_SETTLED_SECONDS = 5.0
"""How long a worker is spared after its start: one that was just loaded would be loaded again at once."""


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
        """Unload what was unused for so long from workers that have other models too; return the bytes freed.

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
        unloading = self._pool.command(worker.pid, {"unload": sorted(tasks)}, _UNLOAD_SECONDS)
        if unloading is None:
            return 0
        try:
            frame = await unloading
        except (WorkerGone, TimeoutError):
            return 0
        if "models" not in frame.head:
            logger.warning("models were not unloaded", extra={"pid": worker.pid, "tasks": sorted(tasks)})
            return 0
        self._accounts.record_models(worker.pid, frame.head)
        after = self._accounts.models_of(worker.pid)
        self._accounts.give_back(worker.pid, [f"model:{task}" for task in tasks if task not in after])
        return sum(before.values()) - sum(after.values())

    async def _reclaim_models(self, _wanted_bytes: int | None) -> int:
        return await self.unload_idle(_REST_SECONDS)

    async def _reclaim_workers(self, _wanted_bytes: int | None) -> int:
        return await self._pool.stop_idle(self._is_spared)

    def _is_spared(self, worker: WorkerProcess) -> bool:
        rests = all(self._usage.idle_seconds(task) >= _REST_SECONDS for task in self._accounts.models_of(worker.pid))
        return not rests or self._accounts.age_seconds(worker.pid) < _SETTLED_SECONDS

    def _follow(self, level: PressureLevel) -> None:
        if level >= PressureLevel.CRITICAL:
            self._pool.crew.dismiss_largest()
        elif level >= PressureLevel.HIGH:
            self._pool.crew.shrink()
            for worker in self._pool.workers:
                self._narrow(worker)

    def _narrow(self, worker: WorkerProcess) -> None:
        """Have a worker keep one instance of each model."""
        if worker.width == 1:
            return
        worker.width = 1
        narrowing = self._pool.command(worker.pid, {"narrow": 1}, _UNLOAD_SECONDS)
        if narrowing is not None:
            narrowing.add_done_callback(lambda done: self._narrowed(worker.pid, done))

    def _narrowed(self, pid: int, done: asyncio.Future[Answer]) -> None:
        if done.exception() is None and "models" in done.result().head:
            self._accounts.record_models(pid, done.result().head)
            self._accounts.give_back(pid, [WIDER_PART])
