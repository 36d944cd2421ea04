"""The media store, as all others see it: what is the same wherever the bytes are kept (`Backend` is what differs).

An upload goes one way: into a temporary file on the local disk (`MediaWriter`), synced; `adopt`; `_upload`, where the
bytes are kept elsewhere; `_publish`, bytes before metadata: now it is visible; counted.
"""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path, PurePosixPath

from app.domain.media import MediaDetails, MediaItem, MediaKind, MediaPage
from app.errors import Conflict, NotFound, PayloadTooLarge
from app.settings import StorageSettings
from app.storage import ids, metadata
from app.storage.backend import Backend, MediaReader
from app.storage.filesystem import claim, free_bytes, refuse_memory
from app.storage.pins import Pins
from app.storage.scratch import Scratch
from app.storage.space import DiskSpace, SpaceReservation, StorageUsage
from app.storage.tempfiles import TempFiles
from app.storage.threads import DiskThreads, finish
from app.storage.writer import Digest, FinishedFile, MediaWriter

logger = logging.getLogger("ballast.storage")

_DELETE_PATIENCE_SECONDS = 1.0
"""How long a deletion waits for readers, so that whoever deletes what it has just read is not refused."""


class MediaStore(Backend):
    """Keeps committed media items. Items never change, so a reader needs no lock."""

    def __init__(self, settings: StorageSettings, disk: DiskThreads) -> None:
        super().__init__(settings, disk)
        self._pins = Pins()
        self._lock_fd: int | None = None
        self._on_delete: list[Callable[[str], Awaitable[None]]] = []
        self._guards: list[Callable[[str], Awaitable[bool]]] = []
        self.temp_files = TempFiles(self._root / "tmp", disk)
        self.space = DiskSpace(
            self._free_bytes,
            settings.quota,
            settings.free_floor,
            lambda: self.temp_files.unreserved_bytes,
            settings.client_share,
        )
        self.scratch = Scratch(self.temp_files, self.space)

    @property
    def root(self) -> Path:
        """The folder on this machine below which everything of the service is kept."""
        return self._root

    async def open(self) -> None:
        """Prepare the store: sweep what a run that was killed left behind, count what is stored.

        Raises:
            UnusableRoot: it cannot be used; the message says why in one sentence.
        """
        if not self._settings.allow_tmpfs:
            refuse_memory(self._root)
        self._lock_fd = claim(self._root)
        await self.temp_files.open()
        items, stored_bytes = await self._survey()
        self.space.added(stored_bytes, items)

    async def aclose(self) -> None:
        """Leave nothing behind but committed items."""
        await self.temp_files.aclose()
        if self._lock_fd is not None:
            os.close(self._lock_fd)
            self._lock_fd = None

    @asynccontextmanager
    async def writer(self, declared_bytes: int | None, digest: Digest, client: str = "") -> AsyncIterator[MediaWriter]:
        """Begin a new item of about `declared_bytes` (None: unknown). What is not committed in the block is gone.

        Raises:
            StorageFull: there is no room for it; the space is reserved at once, as far as the client's share goes.
            PayloadTooLarge: it is larger than the store can keep.
        """
        self._check_size(declared_bytes or 0)
        reservation = await self.space.reserve(declared_bytes, client)
        async with self._writer(reservation, digest, "upload") as writer:
            yield writer

    async def adopt(self, file: FinishedFile) -> MediaItem:
        """Make a finished file an item and return it. The file is its owner's to remove afterwards.

        Raises:
            StorageFull: there is no room for it.
            PayloadTooLarge: it is larger than the store can keep.
            StorageUnavailable: the place where items are kept did not take it.
            OSError: the file cannot be read.
        """
        self._check_size(file.size_bytes)
        item = file.item()
        await self._upload(file.path, item)
        await finish(self._publish_and_count(file.path, item))
        return item

    @asynccontextmanager
    async def reader(self, media_id: str) -> AsyncIterator[MediaReader]:
        """Open an item for reading.

        Raises:
            NotFound: there is no such item.
            OSError: its bytes cannot be opened.
        """
        with self._pins.hold(media_id):
            reader = self._reader(await self.get(media_id))
            try:
                await reader.open()
                yield reader
            finally:
                await reader.aclose()

    @asynccontextmanager
    async def local_file(self, media_id: str) -> AsyncIterator[Path]:
        """Give an item as a file on this machine for the block: for tools that take a path. It is not to be changed.

        Raises:
            NotFound: there is no such item.
            StorageFull: there is no room for a copy of it.
            OSError: its bytes cannot be read.
        """
        async with self.reader(media_id) as reader:
            item = reader.item
            if (path := self.local_path(item)) is not None:
                yield path
                return
            reservation = await self.space.reserve(item.size_bytes)
            async with self._writer(reservation, "none", "copy", PurePosixPath(item.path).suffix) as copy:
                async for chunk in reader.chunks(0, item.size_bytes):
                    await copy.write(chunk)
                yield await copy.staged()

    async def get(self, media_id: str) -> MediaItem:
        """Return one item.

        Raises:
            NotFound: there is no such item.
        """
        ids.kind_of(media_id)
        for item in await self._items([media_id]):
            return item
        raise NotFound("There is no media item with this id.")

    async def page(self, limit: int, cursor: str | None = None, kind: MediaKind | None = None) -> MediaPage:
        """Return up to `limit` items, newest first, after `cursor`.

        Raises:
            InvalidParameter: it is not one of our cursors.
        """
        kinds = tuple(MediaKind) if kind is None else (kind,)
        found: list[MediaItem] = []
        while True:
            newest = await self._newest(kinds, cursor, limit + 1)
            found += await self._items(newest)
            if len(found) > limit or len(newest) <= limit:
                break
            cursor = ids.cursor_after(newest[-1])  # some were deleted meanwhile, or are broken: look further
        next_cursor = ids.cursor_after(found[limit - 1].id) if len(found) > limit else None
        return MediaPage(tuple(found[:limit]), next_cursor)

    async def describe(self, media_id: str, details: MediaDetails) -> MediaItem:
        """Take note of what was found out about an item after its commit, and return it.

        Raises:
            NotFound: there is no such item.
            StorageFull, StorageUnavailable: the store did not take it; what it had stays.
        """
        with self._pins.hold(media_id):
            item = replace(await self.get(media_id), details=details)
            await finish(self._rewrite(item))
        return item

    async def delete(self, media_id: str) -> None:
        """Remove an item.

        Raises:
            NotFound: there is no such item.
            Conflict: a reader or a job still needs it.
        """
        await self._pins.free(media_id, _DELETE_PATIENCE_SECONDS)
        with self._pins.leaving(media_id):
            for needs in self._guards:
                if await needs(media_id):
                    raise Conflict("A job still works on the item. Try again when that has ended.")
            await finish(self._delete(media_id))

    def guard(self, needs: Callable[[str], Awaitable[bool]]) -> None:
        """Have this asked before an item is deleted, while nobody can read or pin it: whether it is still needed.

        It is for those who need items for longer than this process lives; others `pin`.
        """
        self._guards.append(needs)

    def when_deleted(self, listener: Callable[[str], Awaitable[None]]) -> None:
        """Have this called with the id of each item that is deleted, while nobody can read or pin it any more."""
        self._on_delete.append(listener)

    def pin(self, media_id: str) -> AbstractContextManager[None]:
        """Keep an item from being deleted for the block: a job's input.

        Raises:
            NotFound: it is being deleted.
        """
        return self._pins.hold(media_id)

    def usage(self) -> StorageUsage:
        """Return what is stored and reserved; no system call is made."""
        return self.space.usage()

    @asynccontextmanager
    async def _writer(
        self, reservation: SpaceReservation, digest: Digest, source: str, suffix: str = ""
    ) -> AsyncIterator[MediaWriter]:
        async with self.scratch.file(source, reservation, suffix) as file:
            writer = MediaWriter(self, file, self._disk, digest, self._syncs)
            try:
                yield writer
            finally:
                await writer.aclose()

    async def _publish_and_count(self, path: Path, item: MediaItem) -> None:
        await self._publish(path, item)
        self.space.added(item.size_bytes)

    async def _delete(self, media_id: str) -> None:
        item = await self.get(media_id)
        await self._unpublish(item)
        self.space.removed(item.size_bytes)
        for listener in self._on_delete:
            await listener(media_id)
        await self._discard(item)

    async def _items(self, media_ids: Sequence[str]) -> list[MediaItem]:
        """Return these items, without those that are not there or broken."""
        items = []
        for media_id, data in zip(media_ids, await self._read_metadata(media_ids), strict=True):
            try:
                items += [] if data is None else [metadata.decode(media_id, data)]
            except ValueError as error:
                logger.error("the metadata of a media item is broken", extra={"mediaId": media_id, "error": str(error)})
        return items

    def _check_size(self, size_bytes: int) -> None:
        most = self.max_item_bytes
        if most is not None and size_bytes > most:
            raise PayloadTooLarge(f"The store takes at most {most} bytes in one item.", limitBytes=most)

    async def _free_bytes(self) -> int:
        return await self._disk.read(free_bytes, self._root)
