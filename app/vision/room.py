"""Everything about vision that a request may use."""

from __future__ import annotations

import logging
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial

from app.core import Core
from app.domain.priority import Priority
from app.domain.units import MIB
from app.media.pictures import Pictures
from app.memory.cpus import available_cpus
from app.memory.reclaim import ReclaimPriority
from app.models.assets import ModelAssets
from app.rounds import go_round
from app.settings import Settings
from app.vision.accounts import ROLE
from app.vision.analysis import Analysis
from app.vision.batches import Batches
from app.vision.frame_looks import FrameLooks
from app.vision.head_finder import HeadFinder
from app.vision.models import Nursery
from app.vision.remembered import RememberedResults
from app.vision.sizes import LearnedSizes
from app.vision.streams import Streams
from app.vision.task import vision_tasks
from app.vision.vision import Vision
from app.workers.spec import PoolLimits, WorkerSpec
from app.workers.surroundings import Surroundings
from app.workers.zygote import Zygote
from app.workers.zygote_account import ZygoteAccount

logger = logging.getLogger("ballast.vision")

BATCH_WAIT_SECONDS = 600.0
"""How long a picture of a batch waits for its bytes: a batch waits where a single request is told to come back."""

CHILD_DATA_LIMIT_BYTES = 1024 * MIB
"""RLIMIT_DATA of a child: anonymous memory and 8 MiB for the stack of each of its threads."""

ZYGOTE_BYTES = 32 * MIB
"""What the zygote takes: interpreter, numpy, Pillow, MediaPipe's library and its modules (measured: 26;
`python -m benchmarks.children`)."""

ZYGOTE_IDLE_SECONDS = 30.0
"""How long the zygote stays after its last child has gone, if not less is set for children: starting it takes 0.3 s,
keeping it some 25 MB."""

_KEEP_SECONDS = 60.0
"""How often what was learned is kept, where there is something new: a run that is killed has lost no more."""


@dataclass(frozen=True, slots=True)
class VisionRoom:
    """`instances`: children that a task's model has at most. `body_idle_seconds`: how long a body may pause."""

    vision: Vision
    analysis: Analysis
    heads: HeadFinder
    frames: FrameLooks
    pictures: Pictures
    batches: Batches
    streams: Streams
    instances: int
    body_idle_seconds: float


async def open_vision(core: Core, stack: AsyncExitStack) -> VisionRoom:
    """Build it on the libraries; children and what runs beside the requests end with the stack."""
    settings, governor, store, disk = core.settings, core.governor, core.store, core.disk
    sizes = LearnedSizes(settings.storage.root.absolute() / "state" / "sizes.json")
    await disk.run(sizes.read)
    stack.push_async_callback(disk.ensure, sizes.write)

    async def keep_sizes() -> None:
        await go_round({"keeping the learned sizes": lambda: disk.run(sizes.write)}, lambda: _KEEP_SECONDS, logger)

    await stack.enter_async_context(core.background(keep_sizes))
    zygote = ZygoteAccount(governor, ZYGOTE_BYTES)
    idle_seconds = min(ZYGOTE_IDLE_SECONDS, settings.vision.idle_seconds)
    launcher = Zygote(["app.vision.preload"], zygote, idle_seconds)
    stack.push_async_callback(launcher.aclose)
    nursery = Nursery(_child_spec(settings), Surroundings.around(launcher), sizes, zygote)
    vision = Vision(nursery, governor, ModelAssets(settings.models.dir), vision_tasks(), settings.vision)
    stack.push_async_callback(vision.aclose)
    stack.callback(
        governor.reclaim.register("idle zygote", ReclaimPriority.IDLE_MODELS, partial(_end_zygote, vision, launcher))
    )
    remembered = RememberedResults(core.cache)
    analysis = Analysis(vision, governor, settings.vision, settings.image, remembered)
    wait_seconds = settings.memory.wait_seconds
    taken = partial(Pictures, governor.budget, core.unfinished, store.scratch, disk)
    await stack.enter_async_context(core.background(vision.eviction.run))
    return VisionRoom(
        vision=vision,
        analysis=analysis,
        heads=HeadFinder(vision, governor, vision.task("face-detection"), settings.image.max_pixels, remembered),
        frames=FrameLooks(vision, governor, settings.vision),
        pictures=taken(Priority.REQUEST, wait_seconds),
        batches=Batches(analysis, taken(Priority.BATCH, BATCH_WAIT_SECONDS), store, disk, nursery.spec.limits.workers),
        streams=Streams(analysis, governor, taken(Priority.LIVE, wait_seconds), settings.vision),
        instances=nursery.spec.limits.workers,
        body_idle_seconds=settings.upload.idle_seconds,
    )


def _end_zygote(vision: Vision, launcher: Zygote, _wanted_bytes: int | None) -> int:
    """Have the zygote leave where it has no child, and none is waited for; return the bytes that come back."""
    zygote = vision.models.nursery.zygote
    if any(model.accounts or model.is_waiting for model in vision.models):
        return 0
    held_bytes = zygote.held_bytes
    return held_bytes if launcher.leave_if_idle() else 0


def _child_spec(settings: Settings) -> WorkerSpec:
    return WorkerSpec(
        role=ROLE,
        entry="app.vision.engine:build",
        sandbox=settings.sandbox,
        limits=PoolLimits(
            workers=settings.vision.workers or available_cpus(),
            idle_seconds=settings.vision.idle_seconds,
            wait_seconds=settings.memory.wait_seconds,
        ),
        ahead=1,
        data_limit_bytes=CHILD_DATA_LIMIT_BYTES,
        takes_descriptors=True,
        start_seconds=settings.vision.load_seconds,
        log_level=settings.log.level,
    )
