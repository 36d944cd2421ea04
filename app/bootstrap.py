"""The composition root: everything that runs, built by hand, top down. This is the architecture in one page.

First the libraries that all share (`Core`), then each capability on top of them, by its own `open_<capability>`. A new
capability is its place in `House` and the line that opens it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TypedDict, Unpack

from app.core import Core
from app.derived.cache import DerivedCache
from app.derived.shelf import Shelf
from app.domain.pressure import POLICIES
from app.domain.units import MIB
from app.images.room import ImagesRoom, open_images
from app.images.wishes import open_presets
from app.jobs.room import KINDS, JobsRoom, open_jobs
from app.media.room import MediaRoom, open_media
from app.memory.allowance import Allowance
from app.memory.cache import Cache
from app.memory.gauge import MemoryGauge
from app.memory.governor import Governor
from app.memory.limit import MemoryLimit, find_limit
from app.memory.postmortem import BlackBox
from app.memory.pressure import PressureMonitor
from app.memory.reclaim import ReclaimPriority, ReclaimRegistry
from app.memory.trim import MemoryTrimmer
from app.server.access import AccessLog
from app.server.lifecycle import Lifecycle
from app.server.recycling import Recycler
from app.server.traffic import Traffic
from app.settings import Settings, StorageSettings
from app.status.room import StatusRoom, open_status
from app.storage.discovery import find_backend
from app.storage.store import MediaStore
from app.storage.threads import DiskThreads
from app.vision.room import VisionRoom, open_vision

CACHE_SHARE = 0.04
CACHE_MAX_BYTES = 64 * MIB
"""The part of the limit that the cache has in memory, where no setting says otherwise."""

UNFINISHED_SHARE = 0.125
"""The part of the budget for what waits for a client: the rest is for what does not."""


class Overrides(TypedDict, total=False):
    """What a test may put in place of the real thing."""

    gauge: MemoryGauge
    kinds: str


@dataclass(frozen=True, slots=True)
class House:
    """The libraries and the capabilities, as `main` hands them to every request."""

    core: Core
    media: MediaRoom
    vision: VisionRoom
    images: ImagesRoom
    jobs: JobsRoom
    status: StatusRoom


@asynccontextmanager
async def open_house(settings: Settings, **overrides: Unpack[Overrides]) -> AsyncIterator[House]:
    """Build the object graph, run its background work, and leave nothing behind.

    Raises:
        UnusableRoot: the storage root cannot be used.
        UnusableSettings: a preset is no query that is answered.
    """
    async with AsyncExitStack() as stack:
        presets = open_presets(settings.image.presets)  # first: what is wrong with them is told by itself
        core = await _open_core(settings, overrides.get("gauge"), stack)
        media = await open_media(core, stack)
        vision = await open_vision(core, stack)
        images = await open_images(core, presets, stack, vision.heads)
        jobs = await open_jobs(core, media, vision, images, stack, overrides.get("kinds", KINDS))
        status = await open_status(core, media, vision, images, jobs, stack)
        core.governor.trimmer.start()
        yield House(core, media, vision, images, jobs, status)


async def _open_core(settings: Settings, gauge: MemoryGauge | None, stack: AsyncExitStack) -> Core:
    disk = DiskThreads(patience_seconds=settings.storage.hang_seconds)
    store = await _open_store(settings.storage, disk, stack)
    limit = find_limit(settings.memory.limit)
    gauge = gauge or MemoryGauge(limit, detail_seconds=settings.memory.detail_seconds)
    stack.callback(gauge.close)
    governor = _build_governor(settings, limit, gauge)
    stack.push_async_callback(governor.aclose)
    if store.buffer_bytes:
        stack.callback(governor.budget.hold({"transfers": store.buffer_bytes}, owner="storage").release)
    unfinished = Allowance(lambda: governor.budget.total_bytes * UNFINISHED_SHARE, governor.trimmer.request)
    memory = _build_cache(settings, limit, governor)
    stack.callback(memory.close)
    shelf = Shelf(settings.storage.root.absolute() / "derived", settings.storage.cache, store.space, disk)
    await shelf.open()
    cache = DerivedCache(memory, shelf, disk)
    store.when_deleted(cache.forget)
    tasks = await stack.enter_async_context(asyncio.TaskGroup())
    traffic = Traffic(AccessLog() if settings.log.access or settings.log.level == "debug" else None)
    core = Core(settings, limit, Lifecycle(), traffic, governor, unfinished, cache, disk, store, tasks)
    recycler = Recycler(governor, core.lifecycle, settings.memory.recycle_share)
    for work in (governor.run, recycler.run):
        await stack.enter_async_context(core.background(work))
    return core


async def _open_store(settings: StorageSettings, disk: DiskThreads, stack: AsyncExitStack) -> MediaStore:
    """Open the store that the settings name; it and its threads are closed with the stack."""
    stack.push_async_callback(disk.aclose)
    store = find_backend(settings)(settings, disk)
    stack.push_async_callback(store.aclose)
    await store.open()
    return store


def _build_governor(settings: Settings, limit: MemoryLimit, gauge: MemoryGauge) -> Governor:
    return Governor(
        settings.memory,
        gauge,
        PressureMonitor(settings.memory, limit.physical_bytes),
        ReclaimRegistry(),
        MemoryTrimmer(),
        BlackBox(settings.storage.root / "state" / "memory.json"),
    )


def _build_cache(settings: Settings, limit: MemoryLimit, governor: Governor) -> Cache:
    share_bytes = min(CACHE_MAX_BYTES, int(limit.limit_bytes * CACHE_SHARE))
    cache = Cache(share_bytes if settings.memory.cache is None else settings.memory.cache, governor.budget)
    governor.subscribe(lambda level: cache.limit_to(POLICIES[level].cache_share))
    governor.reclaim.register("cache", ReclaimPriority.CACHE, cache.evict)
    return cache
