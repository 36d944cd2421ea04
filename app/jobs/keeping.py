"""Results of jobs: a file of the job's folder becomes a media item, once, whatever happens in between."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from app.domain.media import MediaDetails, MediaItem, MediaKind, MediaType
from app.errors import BallastError, Conflict, NotFound
from app.imaging.picture_format import content_types
from app.jobs.stepbook import StepBook
from app.media.details import PICTURE_HEAD_BYTES
from app.media.sniff import HEAD_BYTES, sniff
from app.media.uploads import Uploads, clean_name
from app.storage import ids
from app.storage.store import MediaStore
from app.storage.threads import DiskThreads
from app.storage.writer import FinishedFile

_PIECE_BYTES = 1 << 20

_EXTENSIONS = {
    "application/json": ".json",
    "application/x-ndjson": ".ndjson",
    "text/vtt": ".vtt",
    "application/vnd.apple.mpegurl": ".m3u8",
}
"""Extensions of results that are no picture, video or audio."""


class Keeper(Protocol):
    async def keep(self, job_id: str, step: str, path: Path, name: str, content_type: str) -> str: ...
    async def discard(self, job_id: str) -> None: ...
