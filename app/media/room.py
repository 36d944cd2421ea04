"""Everything about stored media that a request may use."""

from __future__ import annotations

import logging
from contextlib import AsyncExitStack
from dataclasses import dataclass

from app.core import Core
from app.ffmpeg.probe import Prober
from app.ffmpeg.runner import FFmpegRunner
from app.ffmpeg.tools import find_tools
from app.media.assembly import Assembly
from app.media.delivery import Delivery
from app.media.details import Details
from app.media.expiry import Expiry
from app.media.links import Links
from app.media.listing import Listing
from app.media.locks import UploadLocks
from app.media.probing import Probing
from app.media.resumable import Resumable
from app.media.shares import UploadShares
from app.media.signer import UrlSigner, find_signer
from app.media.streams import Streams
from app.media.transfers import Transfers
from app.media.uploads import Uploads
from app.memory.governor import Governor
from app.settings import Settings
from app.storage.ages import Ages
from app.storage.records import StageRecords
from app.storage.stagefiles import StageFiles
from app.storage.staging import Staging
from app.storage.store import MediaStore

logger = logging.getLogger("ballast")


@dataclass(frozen=True, slots=True)
class MediaRoom:
    store: MediaStore
    transfers: Transfers
    uploads: Uploads
    resumable: Resumable
    delivery: Delivery
    listing: Listing
    probing: Probing
    streams: Streams
    links: Links
    signer: UrlSigner | None


async def open_media(core: Core, stack: AsyncExitStack) -> MediaRoom:
    """Build it on the libraries; its background work ends with the stack."""
    settings, governor, store = core.settings, core.governor, core.store
    details = _build_details(governor, settings)
    probing = Probing(store, details, core.disk, settings.storage.root.absolute() / "state" / "details.json")
    await probing.open()
    stack.push_async_callback(probing.aclose)
    uploads = Uploads(store, settings.upload, details.inspect, probing.follow)
    transfers = Transfers(governor.budget, core.unfinished, lambda: governor.mode)
    staging = await _open_staging(core, stack)
    shares = UploadShares(settings.upload.max_resumable, settings.storage.client_share)
    assembly = Assembly(staging, store, uploads)
    resumable = Resumable(staging, assembly, transfers, UploadLocks(), shares, settings.upload)
    signer = find_signer(settings.server, settings.storage.root) if settings.server.api_keys else None
    links = Links(signer, settings.image.presets)
    delivery = Delivery(store, settings.upload, settings.storage, lambda: governor.level, links)
    expiry = Expiry(store, resumable, settings.storage.ttl_seconds)
    await stack.enter_async_context(core.background(expiry.run))
    await stack.enter_async_context(core.background(probing.run))
    listing, streams = Listing(store, delivery), Streams(store)
    return MediaRoom(store, transfers, uploads, resumable, delivery, listing, probing, streams, links, signer)


def _build_details(governor: Governor, settings: Settings) -> Details:
    ffprobe = find_tools(settings.video).ffprobe
    if ffprobe is None:
        logger.warning("ffprobe is not installed: videos are stored without their size and duration")
    prober = Prober(ffprobe, FFmpegRunner(governor, settings.sandbox)) if ffprobe is not None else None
    return Details(prober, governor.budget, governor.reclaim, settings.upload.probe_seconds)


async def _open_staging(core: Core, stack: AsyncExitStack) -> Staging:
    settings, root = core.settings, core.settings.storage.root.absolute()
    files = StageFiles(root / "staging", synced=settings.storage.fsync)
    records, ages = StageRecords(core.governor.budget), Ages(root / "state" / "ages.json")
    staging = Staging(files, core.disk, core.store.space, records, ages, settings.upload.digest)
    await staging.open()
    stack.push_async_callback(staging.aclose)
    return staging
