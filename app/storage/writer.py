"""One item on its way in: a temporary file on the local disk, and the moment when it is finished."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from app.domain.media import MediaDetails, MediaItem, MediaType
from app.storage import ids
from app.storage.appender import Appender
from app.storage.scratch import ScratchFile
from app.storage.threads import DiskThreads

if TYPE_CHECKING:
    from app.storage.store import MediaStore

Digest: TypeAlias = Literal["sha256", "none"]


@dataclass(frozen=True, slots=True)
class FinishedFile:
    """A whole file on the local disk that is to become an item: its bytes are synced, its digest is taken.

    `media_id` is the id that the item gets; `sha256` is None if no digest is wanted.
    """

    path: Path
    size_bytes: int
    sha256: str | None
    media_id: str
    name: str
    media_type: MediaType
    details: MediaDetails

    def item(self) -> MediaItem:
        """Return the item that it becomes: its time and its place follow from the id."""
        media_id, media_type = self.media_id, self.media_type
        created_at = ids.created_at(media_id)
        return MediaItem(
            id=media_id,
            timestamp_key=ids.timestamp_key(media_id, created_at, media_type.extension),
            name=self.name,
            content_type=media_type.content_type,
            kind=media_type.kind,
            size_bytes=self.size_bytes,
            sha256=self.sha256,
            path=ids.path_of(media_id, media_type.extension),
            created_at=created_at,
            details=self.details,
        )


class MediaWriter(Appender):
    """Appends to a temporary file that ends as an item. Made by `MediaStore.writer`, and closed by it."""

    def __init__(
        self,
        store: MediaStore,
        file: ScratchFile,
        disk: DiskThreads,
        digest: Digest,
        synced: bool,
    ) -> None:
        self._store = store
        self._file = file
        self._sha256 = hashlib.sha256() if digest == "sha256" else None
        digests = () if self._sha256 is None else (self._sha256,)
        super().__init__(file.path, disk, file.count, digests, synced=synced)

    async def staged(self) -> Path:
        """Return the file that holds every byte taken so far, for a tool to look at before the end.

        Raises:
            StorageFull: there is no room for it.
        """
        await self.flush()
        return self._file.path

    async def commit(self, name: str, media_type: MediaType, details: MediaDetails) -> MediaItem:
        """Make the item visible, all of it at once, and return it. Where syncing is on, it survives a power cut.

        Raises:
            BallastError, OSError: as `MediaStore.adopt` says.
        """
        await self.sync()
        sha256 = None if self._sha256 is None else self._sha256.hexdigest()
        media_id = ids.new_id(media_type.kind, datetime.now(UTC))
        file = FinishedFile(self._file.path, self.size_bytes, sha256, media_id, name, media_type, details)
        return await self._store.adopt(file)
