"""Vision with real workers that run `toy_engine`: everything but the models is the real thing."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, cast

from app.domain.analysis_size import AnalysisSize
from app.domain.priority import Priority
from app.domain.units import MIB
from app.media.live_picture import LivePicture
from app.media.pictures import Pictures
from app.memory.allowance import Allowance
from app.memory.customer import Customer
from app.memory.governor import Governor
from app.memory.reservation import Reservation
from app.models.assets import ModelAssets
from app.settings import MemorySettings, VisionSettings
from app.storage.threads import DiskThreads
from app.vision.model import ServedModel
from app.vision.model_key import ModelKey
from app.vision.models import Nursery
from app.vision.plan import AnalysisPlan
from app.vision.room import ZYGOTE_BYTES
from app.vision.sizes import LearnedSizes
from app.vision.task import Model, VisionTask
from app.vision.trackers import Tracker
from app.vision.vision import Vision
from app.workers.launch import PlainLauncher
from app.workers.process import WorkerProcess
from app.workers.reply import Reply
from app.workers.spec import PoolLimits, WorkerSpec
from app.workers.surroundings import Surroundings
from app.workers.zygote_account import ZygoteAccount
from tests.memory.gauges import FakeGauge, make_governor
from tests.storage.scratches import scratch_in
from tests.workers.pools import until

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

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, name: str) -> Path:
        return self._folder / name

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
    def children(self) -> list[WorkerProcess]:
        """Every child that is up, by process id."""
        children = (worker for model in self.vision.models for worker in model.pool.children)
        return sorted(children, key=lambda worker: worker.pid)

    @property
    def pids(self) -> list[int]:
        return [worker.pid for worker in self.children]

    @property
    def loaded(self) -> list[str]:
        """The owners of the models that are there, one for each child."""
        return sorted(model.key.owner for model in self.vision.models for _ in model.pool.children)

    def at(self, share: float) -> None:
        """Measure with such a working set, as a part of the limit."""
        self.gauge.share = share
        self.governor.measure()

    def see(self, pid: int, resident_bytes: int) -> None:
        """Measure with a child of this size."""
        self.gauge.resident_bytes[pid] = resident_bytes
        self.governor.measure()

    def fill(self, left_bytes: int) -> Reservation:
        """Take all of the budget but so many bytes."""
        budget = self.governor.budget
        taken = budget.try_reserve({"x": budget.free_bytes - left_bytes}, owner="other", priority=Priority.LIVE)
        assert taken is not None
        return taken

    def entries(self) -> dict[str, int]:
        """Return what is reserved for the children and the zygote, by owner."""
        entries: Counter[str] = Counter()
        for holder in self.governor.budget.statistics().holders:
            if holder.owner.startswith(("model:", "tracker:", "zygote")):
                entries[holder.owner] += holder.reserved_bytes
        return dict(entries)

    def key(self, task: type[VisionTask] = Toes, **params: Any) -> ModelKey:
        return self.vision.key(task, task.Params(**params))

    def find(self, task: type[VisionTask] = Toes, **params: Any) -> ServedModel:
        """Return a model that is known."""
        return self.vision.models.find(self.key(task, **params))

    async def analyze(
        self,
        task: type[VisionTask] = Toes,
        picture: str = "",
        tracker: Tracker | None = None,
        priority: Priority = Priority.REQUEST,
        **params: Any,
    ) -> Reply:
        """Analyse one picture as `Analysis` does; see `ToyEngine` for what a picture may say."""
        disk = DiskThreads()  # nothing goes there: a small frame stays where it is
        pictures = Pictures(
            self.governor.budget, Allowance(lambda: 10**9), scratch_in(Path("unused"), disk)[1], disk, priority, 20
        )
        live = LivePicture(picture.encode(), None, pictures, Customer(priority, "me", 20))
        plan = AnalysisPlan(AnalysisSize(4, 3), 100, None, "decode-toy", MIB, MIB)
        key = self.key(task, **params)
        async with (
            asyncio.timeout(20),
            self.vision.lease(key, live, partial(live.granted, {"decode": MIB}, "test"), tracker) as lease,
        ):
            return await self.vision.analyze(lease, key, live, plan, tracker)

    @asynccontextmanager
    async def held(self, folder: Path, task: type[VisionTask] = Toes, **wanted: Any) -> AsyncIterator[None]:
        """Have a child work on a picture for the block."""
        path = folder / f"held-{next(_numbers)}"
        work = asyncio.create_task(self.analyze(task, f"hold {path}", **wanted))
        try:
            await until(lambda: path.with_suffix(".begun").exists() or work.done())
            yield
        finally:
            path.with_suffix(".release").touch()
            await asyncio.gather(work, return_exceptions=True)
        work.result()

    async def second_child(self, folder: Path, task: type[VisionTask] = Toes) -> None:
        """Have a second instance of a model started, and both of them idle."""
        async with self.held(folder, task), self.held(folder, task):
            pass
        assert self.find(task).pool.size == 2


@asynccontextmanager
async def open_toys(
    folder: Path,
    *,
    workers: int = 1,
    idle_seconds: float = 300.0,
    watch: Callable[[Any], None] = lambda _: None,
    tasks: dict[str, type[VisionTask]] | None = None,
    clock: Clock | None = None,
) -> AsyncIterator[ToyHouse]:
    """Give vision for the block, its children started plainly; `watch` is given its budget."""
    gauge, clock = FakeGauge(), clock or Clock()
    governor = make_governor(folder, gauge, SHARES)
    watch(governor.budget)
    spec = WorkerSpec(
        role="vision",
        entry="tests.vision.toy_engine:build",
        limits=PoolLimits(workers=workers, idle_seconds=idle_seconds),
        log_level="error",
        writes=(folder,),
    )
    zygote = ZygoteAccount(governor, ZYGOTE_BYTES)
    nursery = Nursery(spec, Surroundings.around(PlainLauncher()), LearnedSizes(folder / "sizes.json"), zygote)
    assets = cast("ModelAssets", EveryAsset(folder))
    vision = Vision(nursery, governor, assets, tasks or TASKS, VisionSettings(), clock)
    looking = asyncio.create_task(vision.eviction.run())
    try:
        yield ToyHouse(gauge, governor, vision, clock)
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
        await vision.aclose()
        await governor.aclose()
