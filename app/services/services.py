"""Every service together: what the composition root builds and a request may use."""

from __future__ import annotations

from dataclasses import dataclass

from app.inference.vision import Vision
from app.memory.governor import Governor
from app.memory.limit import MemoryLimit
from app.services.advice import Advisor
from app.services.analysis import Analysis
from app.services.batches import Batches
from app.services.delivery import Delivery
from app.services.lifecycle import Lifecycle
from app.services.pictures import Pictures
from app.services.remembered import RememberedAnalysis
from app.services.resumable import Resumable
from app.services.signatures import UrlSigner
from app.services.streams import Streams
from app.services.transfers import Transfers
from app.services.uploads import Uploads
from app.settings import Settings
from app.storage.cache import Cache
from app.storage.store import MediaStore


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
    remembered: RememberedAnalysis
    streams: Streams
    cache: Cache
    store: MediaStore
    transfers: Transfers
    uploads: Uploads
    resumable: Resumable
    signer: UrlSigner | None
    delivery: Delivery
    advisor: Advisor
