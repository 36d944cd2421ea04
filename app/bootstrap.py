"""The composition root: everything that runs, built by hand, top down. This is the architecture in one page."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TypedDict, Unpack

from app.domain.pressure import POLICIES
from app.domain.priority import Priority
from app.domain.units import MIB
from app.ffmpeg.probe import Prober
from app.ffmpeg.runner import FFmpegRunner, find_tools
from app.media.delivery import Delivery
from app.media.details import Details
from app.media.expiry import Expiry
from app.media.locks import UploadLocks
from app.media.pictures import Pictures
from app.media.resumable import Resumable
from app.media.signer import UrlSigner, read_secret
from app.media.transfers import Transfers
from app.media.uploads import Uploads
from app.memory.cache import Cache
from app.memory.gauge import MemoryGauge
from app.memory.governor import Governor
from app.memory.limit import MemoryLimit, find_limit
from app.memory.postmortem import BlackBox
from app.memory.pressure import PressureMonitor
from app.memory.reclaim import ReclaimPriority, ReclaimRegistry
from app.memory.trim import MemoryTrimmer
from app.models.assets import ModelAssets
from app.registry import load
from app.server.lifecycle import Lifecycle
from app.server.recycling import Recycler
from app.services import Services
from app.settings import Settings, StorageSettings
from app.status.advice import Advisor
from app.storage.filesystem import UnusableRoot
from app.storage.staging import Staging
from app.storage.store import MediaStore
from app.storage.threads import DiskThreads
from app.vision.analysis import Analysis
from app.vision.batches import Batches
from app.vision.remembered import RememberedResults
from app.vision.streams import Streams
from app.vision.task import vision_tasks
from app.vision.vision import Vision
from app.workers.spec import PoolLimits, WorkerSpec

logger = logging.getLogger("ballast")

CACHE_SHARE = 0.04
CACHE_MAX_BYTES = 64 * MIB
"""The cache's part of the limit, where no setting says otherwise."""

BATCH_WAIT_SECONDS = 600.0
"""How long a picture of a batch waits for its bytes: a batch waits where a single request is told to come back."""

ONE_WORKER_BELOW_BYTES = 512 * MIB
"""Limit below which there is one vision worker with several threads: for two instances of `hands` that is 22 MB less
(PSS) than two workers, and 5 % fewer pictures a second."""

VISION_DATA_LIMIT_BYTES = 1024 * MIB
"""RLIMIT_DATA of a vision worker: anonymous memory and 8 MiB for the stack of each of its threads."""


class Overrides(TypedDict, total=False):
    """What a test may put in place of the real thing."""

    gauge: MemoryGauge


@asynccontextmanager
async def open_services(settings: Settings, **overrides: Unpack[Overrides]) -> AsyncIterator[Services]:
    """Build the object graph, run its background work, and leave nothing behind.

    Raises:
        UnusableRoot: the storage root cannot be used.
    """
    async with AsyncExitStack() as stack:
        disk = DiskThreads()
        store = await _open_store(settings.storage, disk, stack)

        limit = find_limit(settings.memory.limit)
        gauge = overrides.get("gauge") or MemoryGauge(limit, detail_seconds=settings.memory.detail_seconds)
        stack.callback(gauge.close)
        governor = _build_governor(settings, limit, gauge)
        stack.push_async_callback(governor.aclose)
        if store.buffer_bytes:
            stack.callback(governor.budget.hold({"transfers": store.buffer_bytes}, owner="storage").release)
        uploads = Uploads(store, settings.upload, _build_details(governor).inspect)
        transfers = Transfers(governor.budget, lambda: governor.mode, governor.trimmer.request)
        staging = await _open_staging(settings, store, disk)
        resumable = Resumable(staging, store, uploads, transfers, UploadLocks())
        expiry = Expiry(store, store.temp_files, resumable, settings.storage.ttl_seconds)
        signer = _build_signer(settings)
        delivery = Delivery(store, settings.upload, settings.storage, lambda: governor.level, signer)

        cache = _build_cache(settings, limit, governor)
        stack.callback(cache.close)

        vision = _build_vision(settings, limit, governor)
        stack.push_async_callback(vision.aclose)
        analysis = Analysis(vision, governor, settings.vision, settings.image, RememberedResults(cache))
        streams = Streams(analysis, governor, settings.vision)
        waiting_pictures = Pictures(governor.budget, store.temp_files, disk, Priority.BATCH, BATCH_WAIT_SECONDS)

        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        lifecycle = Lifecycle()
        recycler = Recycler(governor, lifecycle, settings.memory.recycle_share)
        for work in (governor.run, vision.upkeep.run, recycler.run, expiry.run):
            stack.callback(tasks.create_task(work(), name=work.__qualname__).cancel)
        governor.trimmer.start()
        yield Services(
            settings=settings,
            limit=limit,
            lifecycle=lifecycle,
            governor=governor,
            vision=vision,
            pictures=Pictures(governor.budget, store.temp_files, disk, Priority.REQUEST),
            batches=Batches(analysis, waiting_pictures, store, disk),
            analysis=analysis,
            streams=streams,
            cache=cache,
            store=store,
            transfers=transfers,
            uploads=uploads,
            resumable=resumable,
            signer=signer,
            delivery=delivery,
            advisor=Advisor(governor, analysis, vision.pool.concurrency_max),
        )


def _build_signer(settings: Settings) -> UrlSigner | None:
    """Return what signs item URLs; without keys they are open to all anyway."""
    server = settings.server
    if not server.api_keys:
        return None
    secrets = server.url_secrets or (read_secret(settings.storage.root / "state" / "url_secret"),)
    return UrlSigner(secrets, server.url_seconds)


async def _open_store(settings: StorageSettings, disk: DiskThreads, stack: AsyncExitStack) -> MediaStore:
    """Open the store that the settings name; it and its threads are closed with the stack."""
    stack.push_async_callback(disk.aclose)
    try:
        backend = load("app.storage.backends", settings.backend, MediaStore)  # type: ignore[type-abstract]
    except LookupError as error:
        raise UnusableRoot(f"BALLAST_STORAGE__BACKEND: {error}") from error
    store = backend(settings, disk)
    stack.push_async_callback(store.aclose)
    await store.open()
    return store


async def _open_staging(settings: Settings, store: MediaStore, disk: DiskThreads) -> Staging:
    folder = settings.storage.root.absolute() / "staging"
    staging = Staging(folder, disk, store.space, settings.upload.digest, synced=settings.storage.fsync)
    await staging.open()
    return staging


def _build_details(governor: Governor) -> Details:
    ffprobe = find_tools().ffprobe
    if ffprobe is None:
        logger.warning("ffprobe is not installed: videos are stored without their size and duration")
    prober = Prober(ffprobe, FFmpegRunner(governor)) if ffprobe is not None else None
    return Details(prober, governor.budget, governor.reclaim)


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


def _build_vision(settings: Settings, limit: MemoryLimit, governor: Governor) -> Vision:
    at_a_time = settings.vision.workers or os.cpu_count() or 1
    workers, slots = (1, at_a_time) if limit.limit_bytes < ONE_WORKER_BELOW_BYTES else (at_a_time, 1)
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
    return Vision(spec, governor, ModelAssets(settings.models.dir), vision_tasks(), settings.vision)
