"""Vision workers with the real engine, called without the services around them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from app.domain.units import MIB
from app.vision.plan import Rendering
from app.vision.task import vision_tasks
from app.workers.channel import Head, Message
from app.workers.pool import WorkerPool
from app.workers.spec import PoolLimits, WorkerSpec
from tests.workers.pools import Ledger

BOX = (640, 480)
MAX_PIXELS = 50_000_000
DECODE_BYTES = 64 * MIB


@dataclass(frozen=True, slots=True)
class Found:
    """One answer: the head as the engine gives it, the detections, and the worker it came from."""

    head: Head
    detections: list[dict[str, Any]]
    pid: int

    @property
    def loaded(self) -> list[str]:
        """The tasks whose models the worker has, one entry for each instance."""
        return sorted(model["task"] for model in self.head["models"])


class Engines:
    """A pool of vision workers."""

    def __init__(self, pool: WorkerPool, models_folder: Path) -> None:
        self.pool = pool
        self._models_folder = models_folder

    @property
    def resident_bytes(self) -> int:
        """Resident memory of the only worker after its last call."""
        (worker,) = self.pool.workers
        return worker.resident_bytes

    async def analyze(
        self, task: str, picture: bytes, *, box: tuple[int, int] = BOX, asset: Path | None = None, **params: object
    ) -> Found:
        return await self._call(self._head(task, box, asset, params), picture)

    async def track(self, task: str, picture: bytes, timestamp_ms: int, **params: object) -> Found:
        """Have the one tracker of a stream look at its next frame."""
        head = self._head(task, BOX, None, params)
        return await self._call({**head, "tracker": "1", "timestampMs": timestamp_ms}, picture)

    async def render(self, task: str, picture: bytes, rendering: Rendering, **params: object) -> bytes:
        """Return a picture or mask."""
        head = self._head(task, BOX, None, params) | rendering.as_head()
        reply = await self.pool.call(Message(head, picture), deadline_seconds=30)
        return reply.payload

    async def _call(self, head: Head, picture: bytes) -> Found:
        reply = await self.pool.call(Message(head, picture), deadline_seconds=30)
        return Found(reply.head, json.loads(reply.payload), reply.pid)

    def _head(self, task: str, box: tuple[int, int], asset: Path | None, params: dict[str, object]) -> Head:
        kind = vision_tasks()[task]
        resolved = kind.resolve(kind.Params(**params), False, lambda name: (self._models_folder / name).exists())
        return {
            "task": task,
            "asset": str(asset or self._models_folder / kind.bundle(resolved)),
            "params": asdict(resolved),
            "box": list(box),
            "maxPixels": MAX_PIXELS,
            "decodeBytes": DECODE_BYTES,
        }


@asynccontextmanager
async def open_engines(models_folder: Path, *, workers: int = 1, slots: int = 1) -> AsyncIterator[Engines]:
    """Give vision workers for the block."""
    spec = WorkerSpec(
        role="vision",
        entry="app.vision.engine:build",
        options={"slots": slots},
        limits=PoolLimits(workers=workers),
        slots=slots,
        data_limit_bytes=1024 * MIB,
        log_level="error",
    )
    pool = WorkerPool(spec, Ledger())
    try:
        yield Engines(pool, models_folder)
    finally:
        await pool.close()
