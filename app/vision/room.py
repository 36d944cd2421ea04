"""Everything about vision that a request may use."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass

from app.core import Core
from app.domain.priority import Priority
from app.domain.units import MIB
from app.media.pictures import Pictures
from app.memory.cpus import available_cpus
from app.models.assets import ModelAssets
from app.vision.analysis import Analysis
from app.vision.batches import Batches
from app.vision.remembered import RememberedResults
from app.vision.session import Streams
from app.vision.task import vision_tasks
from app.vision.vision import Vision
from app.workers.spec import PoolLimits, WorkerSpec

BATCH_WAIT_SECONDS = 600.0
"""How long a picture of a batch waits for its bytes: a batch waits where a single request is told to come back."""

ONE_WORKER_BELOW_BYTES = 512 * MIB
"""Limit below which there is one vision worker with several threads: for two instances of `hands` that is 22 MB less
(PSS) than two workers, and 5 % fewer pictures a second."""

VISION_DATA_LIMIT_BYTES = 1024 * MIB
"""RLIMIT_DATA of a vision worker: anonymous memory and 8 MiB for the stack of each of its threads."""


@dataclass(frozen=True, slots=True)
class VisionRoom:
    """`body_idle_seconds`: how long the body of a request may pause."""

    vision: Vision
    analysis: Analysis
    pictures: Pictures
    batches: Batches
    streams: Streams
    body_idle_seconds: float


async def open_vision(core: Core, stack: AsyncExitStack) -> VisionRoom:
    """Build it on the libraries; workers and what runs beside the requests end with the stack."""
    settings, governor, store, disk = core.settings, core.governor, core.store, core.disk
    vision = _build_vision(core)
    stack.push_async_callback(vision.aclose)
    analysis = Analysis(vision, governor, settings.vision, settings.image, RememberedResults(core.cache))
    patient = Pictures(governor.budget, store.temp_files, disk, Priority.BATCH, BATCH_WAIT_SECONDS)
    await stack.enter_async_context(core.background(vision.upkeep.run))
    return VisionRoom(
        vision=vision,
        analysis=analysis,
        pictures=Pictures(governor.budget, store.temp_files, disk, Priority.REQUEST),
        batches=Batches(analysis, patient, store, disk),
        streams=Streams(analysis, governor, settings.vision),
        body_idle_seconds=settings.upload.idle_seconds,
    )


def _build_vision(core: Core) -> Vision:
    settings = core.settings
    at_a_time = settings.vision.workers or available_cpus()
    workers, slots = (1, at_a_time) if core.limit.limit_bytes < ONE_WORKER_BELOW_BYTES else (at_a_time, 1)
    spec = WorkerSpec(
        role="vision",
        entry="app.vision.engine:build",
        options={"slots": slots},
        limits=PoolLimits(workers=workers, idle_seconds=settings.vision.idle_seconds),
        slots=slots,
        ahead=1,
        data_limit_bytes=VISION_DATA_LIMIT_BYTES,
        start_seconds=settings.vision.load_seconds,
        log_level=settings.log.level,
    )
    return Vision(spec, core.governor, ModelAssets(settings.models.dir), vision_tasks(), settings.vision)
