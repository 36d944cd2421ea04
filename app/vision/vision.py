"""The API's side of vision: which tasks there are, the state of their models, and one call to a child."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from app.errors import NotFound
from app.media.pictures import Picture
from app.memory.governor import Governor
from app.models.assets import ModelAssets
from app.settings import VisionSettings
from app.vision.eviction import Eviction
from app.vision.lease import Grant, Lease, Leases, Waiter
from app.vision.model import ServedModel
from app.vision.model_key import ModelKey
from app.vision.models import Models, Nursery
from app.vision.plan import AnalysisPlan
from app.vision.task import VisionTask
from app.vision.trackers import Tracker, Trackers
from app.workers.channel import Message
from app.workers.reply import Reply


class ModelState(StrEnum):
    UNLOADED = "unloaded"
    LOADING = "loading"
    READY = "ready"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """`resident_bytes` is what the children of its models hold; `idle_seconds` is None if it was never used."""

    task: str
    state: ModelState
    resident_bytes: int
    idle_seconds: float | None


class Vision:
    """Routes analyses to children, each of which has one model."""

    def __init__(
        self,
        nursery: Nursery,
        governor: Governor,
        assets: ModelAssets,
        tasks: dict[str, type[VisionTask]],
        settings: VisionSettings,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.tasks = tasks
        self.models = Models(nursery, governor, clock)
        self._leases = Leases(self.models, governor)
        self.eviction = Eviction(self.models, governor, clock)
        self.trackers = Trackers(self.models, governor, clock)
        self._governor = governor
        self._assets = assets
        self._settings = settings
        self._clock = clock
        self._used_at: dict[str, float] = {}

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

    def key(self, task: type[VisionTask], params: Any) -> ModelKey:
        """Return which model resolved parameters need.

        Raises:
            ModelMissing: its bundle is not installed.
        """
        return ModelKey(task, self._assets.path(task.bundle(params)), params)

    def resolve_fully(self, task: type[VisionTask], params: Any) -> Any:
        """Return the same, whatever the mode: for work that must find the same whenever it is done."""
        return task.resolve(params, False, self._assets.present)

    @asynccontextmanager
    async def lease(
        self, key: ModelKey, picture: Picture, grant: Grant, tracker: Tracker | None = None
    ) -> AsyncIterator[Lease]:
        """Lend a model and what `grant` reserves: the stream's own where it has one; see `Leases.lease`.

        Raises:
            InvalidMedia: children crashed on this picture twice: nothing is loaded for it.
        """
        self.models.nursery.surroundings.suspects.check(picture.data)
        own = tracker.model if tracker is not None else None
        async with self.lend(key, picture, grant, own) as lease:
            yield lease

    @asynccontextmanager
    async def lend(
        self, key: ModelKey, waiter: Waiter, grant: Grant, own: ServedModel | None = None
    ) -> AsyncIterator[Lease]:
        """The same for whatever waits, of which no child has died."""
        try:
            async with self._leases.lease(key, waiter, grant, own) as lease:
                yield lease
        finally:
            self._used_at[key.task.name] = self._clock()

    async def analyze(
        self, lease: Lease, key: ModelKey, picture: Picture, plan: AnalysisPlan, tracker: Tracker | None = None
    ) -> Reply:
        """Have the leased model look at one picture as `key` asks; the reply is described at `engine.Engine`.

        Raises:
            BallastError: see `WorkerPool.call` and `Engine.handle`.
        """
        head: dict[str, Any] = {"task": key.task.name, **plan.as_head()}
        if tracker is not None and lease.model is tracker.model:
            head["timestampMs"] = tracker.next_ms()
        customer = picture.customer
        return await lease.model.pool.call(
            Message(head, picture.data),
            deadline_seconds=plan.deadline_seconds or self._settings.deadline_seconds,
            priority=customer.priority,
            client=customer.client,
        )

    def held_bytes(self, key: ModelKey) -> int:
        """Return what stands in the ledger for the child that will answer for `key`, or will stand there."""
        return self.models.held_bytes(key)

    def least_held_bytes(self, key: ModelKey) -> int:
        """Return the least that a child for `key` takes: what is there may have grown, and can be replaced."""
        return min(self.models.held_bytes(key), self.models.expected_bytes(key))

    def replace_large(self, key: ModelKey, beside_bytes: int) -> None:
        """See `Models.replace_large`."""
        self.models.replace_large(key, beside_bytes)

    def statuses(self) -> list[ModelStatus]:
        """Return the state of each task's model, in the order of their names."""
        return [self._status(task) for _, task in sorted(self.tasks.items())]

    def troubles(self) -> list[str]:
        """Why analyses cannot be served now."""
        trouble = self.models.nursery.surroundings.trouble(self.models.nursery.spec.role)
        return [trouble] if trouble is not None else []

    def sandbox(self) -> dict[str, Any]:
        """Return what holds of the children's cage (`workers.sandbox`), and how they are started."""
        return self.models.sandbox

    async def aclose(self) -> None:
        """Let every child go."""
        self.eviction.close()
        await self.trackers.aclose()
        await self.models.aclose()
        await self.models.nursery.zygote.aclose()

    def _status(self, task: type[VisionTask]) -> ModelStatus:
        models = self.models.of(task)
        if any(model.is_ready for model in models) or self._is_served(task):
            state = ModelState.READY
        elif any(model.is_awaited for model in models):
            state = ModelState.LOADING
        else:
            state = ModelState.UNLOADED if self._assets.present(task.asset) else ModelState.MISSING
        idle_seconds = None
        if task.name in self._used_at:
            in_use = any(model.is_used for model in models)
            idle_seconds = 0.0 if in_use else self._clock() - self._used_at[task.name]
        return ModelStatus(task.name, state, sum(model.resident_bytes for model in models), idle_seconds)

    def _is_served(self, task: type[VisionTask]) -> bool:
        """Whether a model of another task that is there answers this one with its default parameters too."""
        return any(model.is_ready and model.key.task.name == task.served_by for model in self.models)
