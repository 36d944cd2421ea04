"""Results of jobs: a file of the job's folder becomes a media item, once, whatever happens in between."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from app.domain.media import MediaDetails, MediaItem, MediaKind, MediaType
from app.errors import BallastError, NotFound
from app.jobs.book.steps import StepBook
from app.jobs.folders import Folders
from app.media.details import PICTURE_HEAD_BYTES
from app.media.packages import HLS_PACKAGE
from app.media.sniff import HEAD_BYTES, sniff
from app.media.uploads import Uploads, clean_name
from app.storage import ids
from app.storage.files import unlink
from app.storage.store import MediaStore
from app.storage.threads import DiskThreads
from app.storage.writer import FinishedFile

_PIECE_BYTES = 1 << 20

_SETTLING_SECONDS = 30.0
"""How long a result waits until it is known how long it lasts; then it is found out later, as of an upload."""

_EXTENSIONS = {
    "application/json": ".jsn",
    "application/x-ndjson": ".ndjson",
    HLS_PACKAGE.content_type: HLS_PACKAGE.extension,
    "text/vtt": ".vtt",
}
"""Extensions of results that are neither picture, video nor sound; `.json` is that of the metadata beside an item."""


@dataclass(frozen=True, slots=True)
class Shelf:
    """Where results go, and what is asked about them. `settle` has the details of an item found out, and waits for them
    for so many seconds at most."""

    store: MediaStore
    uploads: Uploads
    disk: DiskThreads
    synced: bool
    settle: Callable[[str, float], Awaitable[MediaItem]]


class Keeper:
    """Keeps and discards results. Which item a file is to become is written down first: a crash makes no second one."""

    def __init__(self, shelf: Shelf, steps: StepBook, folders: Folders) -> None:
        self._shelf = shelf
        self._steps = steps
        self._folders = folders

    async def keep(self, job_id: str, step: str, path: Path, named: tuple[str, str]) -> str:
        """Make a file an item and return its id; `named` is its name and its content type.

        The file is gone from the folder afterwards.

        Raises:
            StorageFull, StorageUnavailable: the store did not take it.
            OSError: it is not there.
        """
        name, content_type = named
        shelf = self._shelf
        head = await shelf.disk.read(_head, path)
        media_type = _type_of(head, content_type)
        wanted = ids.new_id(media_type.kind, datetime.now(UTC))
        media_id = await self._steps.keep(job_id, step, name, wanted)
        if media_id != wanted:
            with suppress(NotFound):  # an earlier try came as far as this
                await shelf.store.get(media_id)
                await shelf.disk.run(unlink, path)
                return media_id
        size_bytes, sha256 = await shelf.disk.run_long(_digest, path, shelf.uploads.limits.digest, shelf.synced)
        is_other = media_type.kind is MediaKind.OTHER
        details = MediaDetails() if is_other else await shelf.uploads.inspect(media_type, head, path)
        item = FinishedFile(path, size_bytes, sha256, media_id, clean_name(name, media_type), media_type, details)
        kept = await shelf.store.adopt(item)
        shelf.uploads.follow(kept)
        await shelf.disk.run(unlink, path)
        self._folders.handed_over(job_id, size_bytes)
        if kept.details.pending:  # an upload does not wait for a slow probe; whoever reads a finished job wants to know
            with suppress(BallastError):
                await shelf.settle(media_id, _SETTLING_SECONDS)
        return media_id

    async def discard(self, job_id: str) -> None:
        """Delete what a job has kept; what somebody reads just now stays."""
        for media_id in await self._steps.kept(job_id):
            with suppress(BallastError):
                await self._shelf.store.delete(media_id)

    async def items(self, job_id: str) -> list[MediaItem]:
        """Return what a job has kept, in order, without what was deleted since."""
        found = []
        for media_id in await self._steps.kept(job_id):
            with suppress(NotFound):
                found.append(await self._shelf.store.get(media_id))
        return found


def _type_of(head: bytes, content_type: str) -> MediaType:
    """Return the type by the bytes, where they are media as our kinds make it, else what the kind says."""
    main = content_type.partition("/")[0]
    if main in ("image", "video", "audio"):
        found = sniff(head[:HEAD_BYTES])
        if found is not None:
            return found
        return MediaType(content_type, MediaKind(main), ".bin")
    return MediaType(content_type, MediaKind.OTHER, _EXTENSIONS.get(content_type, ".bin"))


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(PICTURE_HEAD_BYTES)


def _digest(path: Path, digest: str, synced: bool) -> tuple[int, str | None]:
    """Runs in a thread: return size and SHA-256 (None where none is wanted), and have the bytes on the disk."""
    sha256 = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        size_bytes = os.fstat(file.fileno()).st_size
        while digest == "sha256" and (piece := file.read(_PIECE_BYTES)):
            sha256.update(piece)
        if synced:
            os.fsync(file.fileno())
    return size_bytes, sha256.hexdigest() if digest == "sha256" else None
