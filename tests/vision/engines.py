"""Vision children with the real engine, called without the services around them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from app.domain.priority import Priority
from app.domain.units import MIB
from app.vision.model_key import ModelKey
from app.vision.plan import Rendering
from app.vision.task import vision_tasks
from app.workers.account import Account
from app.workers.channel import Head, Message
from app.workers.launch import PlainLauncher
from app.workers.launcher import Launcher
from app.workers.pool import WorkerPool
from app.workers.process import WorkerProcess
from app.workers.reply import Reply
from app.workers.spec import PoolLimits, WorkerSpec
from app.workers.surroundings import Surroundings

BOX = (640, 480)
MAX_PIXELS = 50_000_000
DECODE_BYTES = 64 * MIB


class FreeAccount:
    """An account without a ledger; it gives others as freely (`workers.account`)."""

    def opened(self, worker: WorkerProcess) -> None: ...

    def loaded(self, worker: WorkerProcess) -> None: ...

    def is_outgrown(self) -> bool:
        return False

    def ended(self, worker: WorkerProcess) -> None: ...

    def close(self) -> None: ...

    def another(self) -> Account:
        return FreeAccount()


@dataclass(frozen=True, slots=True)
class Found:
    """One answer: the head as the engine gives it, the detections, the child it came from, and what it rose by."""

    head: Head
    detections: list[dict[str, Any]]
    pid: int
    peak_bytes: int | None = None


class Engines:
    """A pool of children for each model that was asked for."""

    def __init__(self, spec: WorkerSpec, launcher: Launcher, models_folder: Path) -> None:
        self.pools: dict[ModelKey, WorkerPool] = {}
        self._spec = spec
        self._surroundings = Surroundings.around(launcher)
        self._models_folder = models_folder

    @property
    def resident_bytes(self) -> int:
        """Resident memory of the only child after its last call."""
        (pool,) = self.pools.values()
        (worker,) = pool.children
        return worker.resident_bytes

    async def analyze(
        self, task: str, picture: bytes, *, box: tuple[int, int] = BOX, asset: Path | None = None, **params: object
    ) -> Found:
        return _found(await self._call(self.key(task, asset, params), {"task": task, "box": list(box)}, picture))

    async def analyze_as(self, task: str, key: ModelKey, picture: bytes) -> Found:
        """Have the model of `key` answer another task."""
        return _found(await self._call(key, {"task": task, "box": list(BOX)}, picture))

    async def search(self, task: str, picture: bytes, box: tuple[int, int]) -> Found:
        """Have all of a picture searched, fitted into `box`."""
        head = {"task": task, "box": list(box), "search": True}
        return _found(await self._call(self.key(task, None, {}), head, picture))

    async def track(self, task: str, picture: bytes, timestamp_ms: int, **params: object) -> Found:
        """Have the one tracker of a stream look at its next frame."""
        key = replace(self.key(task, None, params), stream="1")
        head = {"task": task, "box": list(BOX), "timestampMs": timestamp_ms}
        return _found(await self._call(key, head, picture))

    async def render(self, task: str, picture: bytes, rendering: Rendering, **params: object) -> bytes:
        """Return a picture or mask."""
        head = {"task": task, "box": list(BOX), **rendering.as_head()}
        return (await self._call(self.key(task, None, params), head, picture)).payload

    def key(self, task: str, asset: Path | None, params: dict[str, object]) -> ModelKey:
        kind = vision_tasks()[task]
        resolved = kind.resolve(kind.Params(**params), False, lambda name: (self._models_folder / name).exists())
        return ModelKey(kind, asset or self._models_folder / kind.bundle(resolved), resolved)

    async def _call(self, key: ModelKey, head: Head, picture: bytes) -> Reply:
        if key not in self.pools:
            spec = replace(self._spec, options=key.as_options(), reads=(key.asset,))
            self.pools[key] = WorkerPool(spec, FreeAccount(), self._surroundings)
        pool = self.pools[key]
        if not pool.size:
            await pool.start(FreeAccount())
        return await pool.call(
            Message({**head, "maxPixels": MAX_PIXELS, "decodeBytes": DECODE_BYTES}, picture),
            deadline_seconds=30,
            priority=Priority.REQUEST,
            client="",
        )


def _found(reply: Reply) -> Found:
    return Found(reply.head, json.loads(reply.payload), reply.pid, reply.peak_bytes)


@asynccontextmanager
async def open_engines(
    models_folder: Path, *, workers: int = 1, launcher: Launcher | None = None
) -> AsyncIterator[Engines]:
    """Give vision children for the block, `workers` for each model at most; they are started plainly by default."""
    spec = WorkerSpec(
        role="vision",
        entry="app.vision.engine:build",
        limits=PoolLimits(workers=workers),
        data_limit_bytes=1024 * MIB,
        log_level="error",
    )
    engines = Engines(spec, launcher or PlainLauncher(), models_folder)
    try:
        yield engines
    finally:
        for pool in engines.pools.values():
            await pool.close()
