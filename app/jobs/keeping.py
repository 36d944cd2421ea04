"""Results of jobs: a file of the job's folder becomes a media item, once, whatever happens in between."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

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

T = TypeVar("T")

_PIECE_BYTES = 64 << 20
"""What is read, and written out, in one call: a cancellation, or a slow disk, need not wait for all of a result."""

_READ_BYTES = 1 << 20

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
        size_bytes, sha256 = await self._digested(path)
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

    async def _digested(self, path: Path) -> tuple[int, str | None]:
        """Return size and SHA-256 (None where none is wanted) of a file, and have its bytes on the disk."""
        disk, sha256, at = self._shelf.disk, hashlib.sha256(), 0
        size_bytes = (await disk.read(path.stat)).st_size
        if self._shelf.uploads.limits.digest == "sha256":
            while at < size_bytes:
                at += await _left(disk.run_long(_add_piece, path, at, sha256, self._shelf.synced))
            return size_bytes, sha256.hexdigest()
        if self._shelf.synced:
            await _left(disk.run_long(_sync, path))
        return size_bytes, None

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


def _add_piece(path: Path, start: int, sha256: hashlib._Hash, synced: bool) -> int:
    """Runs in a thread: add a piece of a file to its digest, and have it on the disk; return its length.

    Raises:
        OSError: the file is not there, or ends here.
    """
    length = 0
    with path.open("rb", buffering=0) as file:
        file.seek(start)
        while length < _PIECE_BYTES and (part := file.read(min(_READ_BYTES, _PIECE_BYTES - length))):
            sha256.update(part)
            length += len(part)
        if synced:
            os.fsync(file.fileno())
    if not length:
        raise OSError(errno.EIO, "the file became shorter")
    return length


def _sync(path: Path) -> None:
    with path.open("rb", buffering=0) as file:
        os.fsync(file.fileno())


async def _left(call: Coroutine[Any, Any, T]) -> T:
    """Wait for a call; when we are cancelled meanwhile it is left to end by itself: it opens what it needs, and changes
    nothing."""
    return await asyncio.shield(asyncio.ensure_future(call))
