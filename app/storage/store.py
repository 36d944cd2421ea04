"""The media store, as the services see it. A back end (`backends/`) keeps the bytes on a disk or in an object store."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, TypeAlias

from app.domain.media import MediaDetails, MediaItem, MediaKind, MediaPage, MediaType
from app.settings import StorageSettings
from app.storage.space import DiskSpace, StorageUsage
from app.storage.tempfiles import TempFiles
from app.storage.threads import DiskThreads

Chunk: TypeAlias = bytes | memoryview
Digest: TypeAlias = Literal["sha256", "none"]

CHUNK_BYTES = 1024 * 1024
"""How much a reader gives at a time: large enough to reach nginx on one connection (measured)."""


class MediaWriter(ABC):
    """One item on its way in. Made by `MediaStore.writer`; what is not committed when its block ends is gone."""

    @property
    @abstractmethod
    def size_bytes(self) -> int:
        """The bytes written so far."""

    @abstractmethod
    async def write(self, chunk: Chunk) -> None:
        """Take the next bytes. The chunk is kept without a copy until it is written: do not change it.

        Raises:
            StorageFull: there is no room for them.
        """

    @abstractmethod
    async def staged(self) -> Path:
        """Return the file on the local disk that holds every byte written so far, for a tool to look at before the end.

        Raises:
            StorageFull: there is no room for it.
        """

    @abstractmethod
    async def commit(self, name: str, media_type: MediaType, details: MediaDetails) -> MediaItem:
        """Make the item visible, all of it at once, and return it. Where syncing is on, it survives a power cut.

        Raises:
            StorageFull: there is no room for it.
        """


@dataclass(frozen=True, slots=True)
class FinishedFile:
    """A whole file on the local disk that is to become an item: its bytes are synced, its digest is taken.

    `media_id` is the id that it gets where the store can give it; `sha256` is None if no digest is wanted.
    """

    path: Path
    size_bytes: int
    sha256: str | None
    media_id: str
    name: str
    media_type: MediaType
    details: MediaDetails


class MediaReader(ABC):
    """One open item; while it is open the item cannot be deleted. Made by `MediaStore.reader`."""

    item: MediaItem

    @abstractmethod
    def chunks(self, offset: int, length: int, chunk_bytes: int = CHUNK_BYTES) -> AsyncIterator[bytes]:
        """Give `length` bytes from `offset` in pieces of about `chunk_bytes`.

        Raises:
            OSError: the bytes cannot be read.
        """


class MediaStore(ABC):
    """Keeps committed media items. Items never change, so a reader needs no lock.

    A back end is made with its settings and the threads for disk calls; `name` is what `BALLAST_STORAGE__BACKEND` says.
    """

    name: ClassVar[str]
    temp_files: TempFiles
    space: DiskSpace

    @abstractmethod
    def __init__(self, settings: StorageSettings, disk: DiskThreads) -> None: ...

    @property
    def buffer_bytes(self) -> int:
        """Memory that the store takes for itself while it is busy, whatever the number of transfers."""
        return 0

    @abstractmethod
    async def open(self) -> None:
        """Prepare the store: sweep what a run that was killed left behind, count what is stored.

        Raises:
            UnusableRoot: it cannot be used; the message says why in one sentence.
        """

    @abstractmethod
    async def aclose(self) -> None:
        """Leave nothing behind but committed items."""

    @abstractmethod
    def writer(self, declared_bytes: int | None, digest: Digest) -> AbstractAsyncContextManager[MediaWriter]:
        """Begin a new item of about `declared_bytes` (None: unknown); the space is reserved at once.

        Raises:
            StorageFull: there is no room for it.
        """

    async def adopt(self, file: FinishedFile) -> MediaItem:
        """Make a finished file an item and return it. The file is its owner's to remove afterwards.

        A store that keeps its bytes elsewhere copies them, as here.

        Raises:
            StorageFull: there is no room for it.
            OSError: the file cannot be read.
        """
        digest: Digest = "none" if file.sha256 is None else "sha256"
        async with self.writer(file.size_bytes, digest) as writer:
            with await asyncio.to_thread(file.path.open, "rb", 0) as source:
                while chunk := await asyncio.to_thread(source.read, CHUNK_BYTES):
                    await writer.write(chunk)
            return await writer.commit(file.name, file.media_type, file.details)

    @abstractmethod
    def reader(self, media_id: str) -> AbstractAsyncContextManager[MediaReader]:
        """Open an item for reading.

        Raises:
            NotFound: there is no such item.
            OSError: its bytes cannot be opened.
        """

    @abstractmethod
    def local_file(self, media_id: str) -> AbstractAsyncContextManager[Path]:
        """Give an item as a file on this machine for the block: for tools that take a path. It is not to be changed.

        Raises:
            NotFound: there is no such item.
            StorageFull: there is no room for a copy of it.
            OSError: its bytes cannot be read.
        """

    async def link(self, item: MediaItem) -> str | None:  # noqa: ARG002 - for stores that have links
        """Return a URL with which a client gets the bytes from elsewhere for a while; None: this store has none."""
        return None

    async def sweep(self) -> int:
        """Remove what broken commits and deletes left, as `open` does; return how many objects that were."""
        return 0

    @abstractmethod
    async def get(self, media_id: str) -> MediaItem:
        """Return one item.

        Raises:
            NotFound: there is no such item.
        """

    @abstractmethod
    async def page(self, limit: int, cursor: str | None = None, kind: MediaKind | None = None) -> MediaPage:
        """Return up to `limit` items, newest first, after `cursor`.

        Raises:
            InvalidParameter: the cursor is none of ours.
        """

    @abstractmethod
    async def delete(self, media_id: str) -> None:
        """Remove an item.

        Raises:
            NotFound: there is no such item.
            Conflict: a reader or a job still needs it.
        """

    @abstractmethod
    def pin(self, media_id: str) -> AbstractContextManager[None]:
        """Keep an item from being deleted for the block: a job's input.

        Raises:
            NotFound: it is being deleted.
        """

    @abstractmethod
    def local_path(self, item: MediaItem) -> Path | None:
        """Return the absolute path of the item on this machine, None where there is none."""

    @abstractmethod
    def usage(self) -> StorageUsage:
        """Return what is stored and reserved; no system call is made."""
