"""Vision with real workers that run `toy_engine`: everything but the models is the real thing."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, cast

from app.domain.analysis_size import AnalysisSize
from app.domain.priority import Priority
from app.domain.units import MIB
from app.memory.governor import Governor
from app.models.assets import ModelAssets
from app.settings import MemorySettings, VisionSettings
from app.vision.accounts import WorkerAccounts
from app.vision.plan import AnalysisPlan
from app.vision.task import Model, VisionTask
from app.vision.trackers import Tracker
from app.vision.vision import Vision
from app.workers.reply import Reply
from app.workers.spec import PoolLimits, WorkerSpec
from tests.memory.gauges import FakeGauge, make_governor
from tests.workers.pools import until

MODEL_BYTES = 3 * MIB
"""What `toy_engine` says that a model took; less than is reserved for it, as it should be."""


LOW, MODERATE, HIGH, CRITICAL = 0.1, 0.25, 0.35, 0.45
SHARES = MemorySettings(moderate_share=0.2, high_share=0.3, critical_share=0.4)
"""The levels begin far below the budget, so that at each of them there is room for work."""


_numbers = itertools.count()


@dataclass(frozen=True, slots=True)
class ToyParams:
    count: int = 1


class Toes(VisionTask):
    name = "toes"
    summary = "toes"
    asset = "toes.task"
    Params = ToyParams
    model_bytes = 10 * MIB
    instance_bytes = 6 * MIB
    tracker_bytes = 8 * MIB
    served_by: ClassVar[str | None] = "feet"

    @classmethod
    def load(cls, asset: Path, params: Any) -> Model:
        raise NotImplementedError


class Feet(Toes):
    """Finds toes as well."""

    name = "feet"
    summary = "feet"
    asset = "feet.task"
    model_bytes = 20 * MIB
    instance_bytes = 12 * MIB
    served_by = None


class Noses(Toes):
    """Has no tracker."""

    name = "noses"
    summary = "noses"
    asset = "noses.task"
    tracker_bytes = 0
    served_by = None


TASKS: dict[str, type[VisionTask]] = {task.name: task for task in (Toes, Feet, Noses)}


class EveryAsset:
    """A folder in which every bundle is installed."""

    def path(self, name: str) -> Path:
        return Path("/models") / name

    def present(self, _name: str) -> bool:
        return True


@dataclass
class Clock:
    """A clock that the test moves on."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class ToyHouse:
    gauge: FakeGauge
    governor: Governor
    vision: Vision
    clock: Clock

    @property
    def accounts(self) -> WorkerAccounts:
        return self.vision._accounts

    @property
    def pids(self) -> list[int]:
        return sorted(worker.pid for worker in self.vision.pool.workers)

    def at(self, share: float) -> None:
        """Measure with such a working set, as a part of the limit."""
        self.gauge.share = share
        self.governor.measure()

    def see(self, pid: int, resident_bytes: int) -> None:
        """Measure with a worker of this size."""
        self.gauge.resident_bytes[pid] = resident_bytes
        self.governor.measure()

    def entries(self) -> list[int]:
        """Return what is reserved for each worker."""
        holders = self.governor.budget.statistics().holders
        return [holder.reserved_bytes for holder in holders if holder.owner.startswith("worker:")]

    async def analyze(
        self, task: type[VisionTask] = Toes, picture: str = "", tracker: Tracker | None = None, **params: Any
    ) -> Reply:
        """Analyse one picture as `Analysis` does; see `ToyEngine` for what a picture may say."""

        async def put_aside() -> None:
            pass

        chosen = tracker.task.Params(**tracker.params) if tracker is not None else task.Params(**params)
        async with (
            asyncio.timeout(20),
            self.vision.lease(task, chosen, put_aside) as lease,
            self.governor.budget.reserve(
                {"decode": MIB, **lease.parts}, owner="test", priority=Priority.LIVE
            ) as reservation,
        ):
            data = picture.encode()
            plan = AnalysisPlan(AnalysisSize(4, 3), 100, None, "decode-toy", MIB, MIB)
            return await self.vision.analyze(lease, data, plan, reservation, "me", tracker)

    async def second_worker(self, folder: Path) -> None:
        """Have a second worker started, and both of them loaded and idle."""
        await self.analyze()
        await self.analyze_two(folder)
        assert len(self.pids) == 2

    async def analyze_two(self, folder: Path) -> None:
        """Have two pictures worked on at the same time."""
        paths = [folder / f"held-{next(_numbers)}" for _ in range(2)]
        held = [asyncio.create_task(self.analyze(picture=f"hold {path}")) for path in paths]
        for path in paths:
            await until(path.with_suffix(".begun").exists)
        for path in paths:
            path.with_suffix(".release").touch()
        await asyncio.gather(*held)


@asynccontextmanager
async def open_toys(
    folder: Path,
    *,
    workers: int = 1,
    slots: int = 1,
    idle_seconds: float = 300.0,
    watch: Callable[[Any], None] = lambda _: None,
    tasks: dict[str, type[VisionTask]] | None = None,
) -> AsyncIterator[ToyHouse]:
    """Give vision for the block; `watch` is given its budget."""
    gauge, clock = FakeGauge(), Clock()
    governor = make_governor(folder, gauge, SHARES)
    watch(governor.budget)
    spec = WorkerSpec(
        role="vision",
        entry="tests.vision.toy_engine:build",
        options={"modelBytes": MODEL_BYTES},
        limits=PoolLimits(workers=workers, idle_seconds=idle_seconds),
        slots=slots,
        log_level="error",
    )
    vision = Vision(
        spec,
        governor,
        cast("ModelAssets", EveryAsset()),
        tasks or TASKS,
        VisionSettings(),
        clock,
    )
    try:
        yield ToyHouse(gauge, governor, vision, clock)
    finally:
        await vision.aclose()
        await governor.aclose()


def params_of(task: type[VisionTask], **values: Any) -> dict[str, object]:
    return asdict(task.Params(**values))
