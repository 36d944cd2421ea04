"""The API's side of vision: which tasks there are, the state of their models, and one call to a worker."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from app.errors import NotFound
from app.memory.governor import Governor
from app.memory.reservation import Reservation
from app.models.assets import ModelAssets
from app.settings import VisionSettings
from app.vision.accounts import WorkerAccounts
from app.vision.plan import AnalysisPlan
from app.vision.task import VisionTask
from app.vision.trackers import Tracker, Trackers
from app.vision.upkeep import ModelUsage, Upkeep
from app.workers.channel import Message
from app.workers.pool import WorkerPool
from app.workers.reply import Reply
from app.workers.spec import WorkerSpec


class ModelState(StrEnum):
    UNLOADED = "unloaded"
    LOADING = "loading"
    READY = "ready"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """`resident_bytes` is what loading its instances added to the workers; `idle_seconds` is None if never used."""

    task: str
    state: ModelState
    resident_bytes: int
    idle_seconds: float | None


@dataclass(frozen=True, slots=True)
class ModelLease:
    """A model that is in use. `parts` are bytes that its holder must reserve, none where it is loaded.

    `held_bytes` are what its worker holds then: the work must fit beside them.
    """

    task: type[VisionTask]
    params: Any
    asset: Path
    parts: dict[str, int]
    held_bytes: int

    @property
    def model(self) -> str:
        """The name of the model that answers: its bundle's, without the ending."""
        return self.asset.stem

    def as_head(self) -> dict[str, Any]:
        """Return it as members of a call."""
        return {"task": self.task.name, "asset": str(self.asset), "params": asdict(self.params)}


class Vision:
    """Routes analyses to the vision workers; loads models when they are first needed, one load at a time."""

    def __init__(
        self,
        spec: WorkerSpec,
        governor: Governor,
        assets: ModelAssets,
        tasks: dict[str, type[VisionTask]],
        settings: VisionSettings,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.tasks = tasks
        self._governor = governor
        self._accounts = WorkerAccounts(governor, spec.role, tasks)
        self.pool = WorkerPool(spec, self._accounts, clock)
        self._assets = assets
        self._settings = settings
        self.trackers = Trackers(self.pool, self._accounts, governor, clock)
        self._loads: dict[str, asyncio.Future[None]] = {}
        self._usage = ModelUsage(clock)
        self.upkeep = Upkeep(self.pool, self._accounts, self._usage, governor, spec.limits.idle_seconds)

    def task(self, name: str) -> type[VisionTask]:
        """Return a task by its name.

        Raises:
            NotFound: there is none of this name.
        """
        try:
            return self.tasks[name]
        except KeyError:
            raise NotFound(f"There is no task of this name; there are {', '.join(self.tasks)}.") from None

    def resolve(self, task: type[VisionTask], params: Any) -> Any:
        """Return the parameters with what the mode and the installed models decide (`VisionTask.resolve`)."""
        return task.resolve(params, self._governor.policy.light_models, self._assets.present)

    @asynccontextmanager
    async def lease(
        self, task: type[VisionTask], params: Any, put_aside: Callable[[], Awaitable[None]]
    ) -> AsyncIterator[ModelLease]:
        """Lend the model that resolved parameters need, for the block. Whoever comes while it is loaded waits for that.

        `put_aside` is called before waiting: it gives back what the caller holds, which the load may need.

        Raises:
            ModelMissing: the bundle is not installed.
        """
        asset = self._assets.path(task.bundle(params))
        while (load := self._loads.get(task.name)) is not None:
            await put_aside()
            await asyncio.shield(load)
        parts = self._accounts.parts_to_load(task, asdict(params))
        if parts:
            self._loads[task.name] = asyncio.get_running_loop().create_future()
        try:
            with self._usage.lease(task.name):
                held_bytes = 0 if parts else self._accounts.held_bytes(task)
                yield ModelLease(task, params, asset, parts, held_bytes)
        finally:
            if parts:
                self._loads.pop(task.name).set_result(None)

    async def analyze(
        self,
        lease: ModelLease,
        picture: bytes,
        plan: AnalysisPlan,
        reservation: Reservation,
        client: str,
        tracker: Tracker | None = None,
    ) -> Reply:
        """Have a worker analyse one encoded picture under `reservation`; the reply is described at `engine.Engine`.

        The parts of the lease go over to the worker that has the model then.

        Raises:
            BallastError: see `WorkerPool.call` and `Engine.handle`.
        """
        head = lease.as_head() | plan.as_head() | (tracker.as_head() if tracker is not None else {})
        reply = await self.pool.call(
            Message(head, picture),
            deadline_seconds=self._settings.deadline_seconds + (self._settings.load_seconds if lease.parts else 0),
            priority=reservation.priority,
            client=client,
            pid=tracker.pid if tracker is not None else None,
        )
        self._accounts.record_models(reply.pid, reply.head)
        if tracker is not None and reply.pid != tracker.pid:
            self.trackers.lose(tracker, reply.pid)
        self._accounts.take_over(reply.pid, reservation, lease.parts)
        return reply

    def statuses(self) -> list[ModelStatus]:
        """Return the state of each task's model, in the order of their names."""
        return [self._status(task) for _, task in sorted(self.tasks.items())]

    def troubles(self) -> list[str]:
        """Why analyses cannot be served now."""
        return [self.pool.trouble] if self.pool.trouble is not None else []

    def sandbox(self) -> dict[str, Any]:
        """Return what holds of the workers' cage (`workers.sandbox`), as the last one that was started reported it."""
        return self._accounts.sandbox

    async def aclose(self) -> None:
        """Let every worker go."""
        self.upkeep.close()
        await self.pool.close()
        self._accounts.close()

    def _status(self, task: type[VisionTask]) -> ModelStatus:
        resident_bytes = self._accounts.resident_bytes(task.name)
        idle_seconds = self._usage.idle_seconds(task.name)
        served = task.served_by is not None and self._accounts.resident_bytes(task.served_by) is not None
        if resident_bytes is not None or served:
            state = ModelState.READY
        elif task.name in self._loads:
            state = ModelState.LOADING
        else:
            state = ModelState.UNLOADED if self._assets.present(task.asset) else ModelState.MISSING
        return ModelStatus(task.name, state, resident_bytes or 0, None if math.isinf(idle_seconds) else idle_seconds)
