"""Every service together: what the composition root builds and a request may use."""

from __future__ import annotations

from dataclasses import dataclass

from app.media.delivery import Delivery
from app.media.pictures import Pictures
from app.media.resumable import Resumable
from app.media.signer import UrlSigner
from app.media.transfers import Transfers
from app.media.uploads import Uploads
from app.memory.cache import Cache
from app.memory.governor import Governor
from app.memory.limit import MemoryLimit
from app.server.lifecycle import Lifecycle
from app.settings import Settings
from app.status.advice import Advisor
from app.storage.store import MediaStore
from app.vision.analysis import Analysis
from app.vision.batches import Batches
from app.vision.streams import Streams
from app.vision.vision import Vision


@dataclass(frozen=True, slots=True)
class Services:
    """Everything a request may use; lives as long as the application."""

    settings: Settings
    limit: MemoryLimit
    lifecycle: Lifecycle
    governor: Governor
    vision: Vision
    pictures: Pictures
    batches: Batches
    analysis: Analysis
    streams: Streams
    cache: Cache
    store: MediaStore
    transfers: Transfers
    uploads: Uploads
    resumable: Resumable
    signer: UrlSigner | None
    delivery: Delivery
    advisor: Advisor
