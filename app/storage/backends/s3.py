"""The store in a bucket of an S3-compatible object store.

    <prefix>/media/<kind>/<bucket>/<id><extension>   the bytes, put when they are whole
    <prefix>/media/<kind>/<bucket>/<id>.json         what is known about them (`metadata`): without it there is no item
    <root>/tmp/, <root>/lock                         on the local disk: what is coming in, and copies for tools

The keys are those of the local store. Several services may use one bucket; pins hold within one of them.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from app.domain.media import MediaItem, MediaKind, MediaPage
from app.errors import BallastError, NotFound, PayloadTooLarge
from app.settings import StorageSettings
from app.storage import ids, metadata
from app.storage.appender import Appender
from app.storage.filesystem import UnusableRoot, claim, free_bytes, refuse_memory
from app.storage.localfile import describe
from app.storage.objectfile import ObjectReader, ObjectWriter, publish
from app.storage.objectindex import ObjectIndex, metadata_key
from app.storage.pins import Pins
from app.storage.space import DiskSpace, StorageUsage
from app.storage.store import Digest, FinishedFile, MediaReader, MediaStore, MediaWriter
from app.storage.tempfiles import TempFiles
from app.storage.threads import DiskThreads, finish

if TYPE_CHECKING:
    from app.storage.objects import ObjectBucket

logger = logging.getLogger("ballast.storage")

_DELETE_PATIENCE_SECONDS = 1.0
_METADATA_AT_A_TIME = 8
_RESERVED_SOURCES = ("upload", "copy")


class S3Store(MediaStore):
    """Keeps media in a bucket. Bytes come in through a file on the local disk, so memory stays flat whatever comes."""

    name = "s3"

    def __init__(self, settings: StorageSettings, disk: DiskThreads) -> None:
        self._settings = settings
        self._root = settings.root.absolute()
        self._disk = disk
        self._pins = Pins()
        self._lock_fd: int | None = None
        self._bucket_or_none: ObjectBucket | None = None
        self.temp_files = TempFiles(self._root / "tmp", disk)
        self.space = DiskSpace(self._free_bytes, settings.quota, settings.free_floor, self._unpromised_bytes)

    @property
    def buffer_bytes(self) -> int:
        from app.storage.objects import TRANSFER_BYTES

        return TRANSFER_BYTES

    async def open(self) -> None:
        if not self._settings.allow_tmpfs:
            refuse_memory(self._root)
        self._bucket_or_none = self._connect()
        self._lock_fd = claim(self._root)
        await self.temp_files.open()
        try:
            await asyncio.gather(*(self._survey(kind) for kind in MediaKind))
        except (BallastError, FileNotFoundError) as error:
            reason = " ".join(str(error.__cause__ or error).split())[:400]
            raise UnusableRoot(f"the bucket {self._settings.s3_bucket} cannot be used: {reason}") from error

    async def aclose(self) -> None:
        await self.temp_files.aclose()
        self._bucket_or_none = None
        if self._lock_fd is not None:
            os.close(self._lock_fd)
            self._lock_fd = None

    @asynccontextmanager
    async def writer(self, declared_bytes: int | None, digest: Digest) -> AsyncIterator[MediaWriter]:
        self._check_size(declared_bytes or 0)
        reservation = await self.space.reserve(declared_bytes)
        try:
            async with self.temp_files.file("upload") as temp_file:
                writer = ObjectWriter(temp_file, self._disk, reservation, digest, self._publish)
                try:
                    yield writer
                finally:
                    await writer.aclose()
        finally:
            reservation.release()

    async def adopt(self, file: FinishedFile) -> MediaItem:
        item = describe(file.media_id, file.name, file.media_type, file.details, file.size_bytes, file.sha256)
        await self._publish(file.path, item)
        return item

    @asynccontextmanager
    async def reader(self, media_id: str) -> AsyncIterator[MediaReader]:
        with self._pins.hold(media_id):
            reader = ObjectReader(await self.get(media_id), self._bucket)
            await reader.open()
            yield reader

    @asynccontextmanager
    async def local_file(self, media_id: str) -> AsyncIterator[Path]:
        async with self.reader(media_id) as reader:
            item = reader.item
            reservation = await self.space.reserve(item.size_bytes)
            try:
                async with self.temp_files.file("copy", PurePosixPath(item.path).suffix) as temp_file:

                    async def count(size_bytes: int) -> None:
                        await reservation.count(size_bytes)
                        temp_file.size_bytes += size_bytes

                    copy = Appender(temp_file.path, self._disk, count, (), synced=False)
                    try:
                        async for chunk in reader.chunks(0, item.size_bytes):
                            await copy.write(chunk)
                        await copy.flush()
                    finally:
                        await copy.aclose()
                    yield temp_file.path
            finally:
                reservation.release()

    async def link(self, item: MediaItem) -> str | None:
        return await self._bucket.link(item.path, self._settings.s3_link_seconds)

    async def get(self, media_id: str) -> MediaItem:
        try:
            return metadata.decode(await self._bucket.get(metadata_key(media_id)))
        except FileNotFoundError:
            raise NotFound("There is no media item with this id.") from None
        except ValueError as error:
            logger.error("the metadata of a media item is broken", extra={"mediaId": media_id, "error": str(error)})
            raise NotFound("There is no media item with this id.") from None

    async def page(self, limit: int, cursor: str | None = None, kind: MediaKind | None = None) -> MediaPage:
        kinds = tuple(MediaKind) if kind is None else (kind,)
        found: list[MediaItem] = []
        while True:
            newest = await self._index.newest(kinds, cursor, limit + 1)
            found += await self._peek(newest)
            if len(found) > limit or len(newest) <= limit:
                break
            cursor = ids.cursor_after(newest[-1])  # some were deleted meanwhile: look further
        items = tuple(found[:limit])
        return MediaPage(items, ids.cursor_after(items[-1].id) if len(found) > limit else None)

    async def delete(self, media_id: str) -> None:
        ids.kind_of(media_id)
        await self._pins.free(media_id, _DELETE_PATIENCE_SECONDS)
        with self._pins.leaving(media_id):
            await finish(asyncio.ensure_future(self._delete(media_id)))

    def pin(self, media_id: str) -> AbstractContextManager[None]:
        return self._pins.hold(media_id)

    def local_path(self, item: MediaItem) -> Path | None:  # noqa: ARG002 - the form of a store
        return None

    def usage(self) -> StorageUsage:
        return self.space.usage()

    async def sweep(self) -> int:
        removed = [await self._index.sweep(item) for kind in MediaKind async for item in self._index.items(kind)]
        return sum(removed)

    @property
    def _bucket(self) -> ObjectBucket:
        assert self._bucket_or_none is not None, "the store is not open"
        return self._bucket_or_none

    @property
    def _index(self) -> ObjectIndex:
        return ObjectIndex(self._bucket)

    def _connect(self) -> ObjectBucket:
        try:
            from app.storage.objects import ObjectBucket
        except ImportError as error:
            raise UnusableRoot("the storage back end s3 needs the package obstore (the extra `s3`)") from error
        try:
            return ObjectBucket(self._settings, self._disk)
        except Exception as error:  # the library has many for a wrong URL, region or prefix
            raise UnusableRoot(f"the settings of the object store are not valid: {error}") from error

    def _check_size(self, size_bytes: int) -> None:
        if size_bytes > self._bucket.max_bytes:
            most = self._bucket.max_bytes
            raise PayloadTooLarge(f"The object store takes at most {most} bytes in one item.", limitBytes=most)

    async def _publish(self, path: Path, item: MediaItem) -> None:
        self._check_size(item.size_bytes)
        await publish(self._bucket, path, item, lambda: self.space.added(item.size_bytes))

    async def _delete(self, media_id: str) -> None:
        """Remove the metadata first, so that what a crash leaves is an orphan and not a broken item."""
        item = await self.get(media_id)
        await self._bucket.delete(metadata_key(media_id))
        self.space.removed(item.size_bytes)
        await self._bucket.delete(item.path)

    async def _peek(self, media_ids: list[str]) -> list[MediaItem]:
        """Return the items, without those that were deleted meanwhile or are broken."""
        seats = asyncio.Semaphore(_METADATA_AT_A_TIME)

        async def peek(media_id: str) -> MediaItem | None:
            async with seats:
                with suppress(NotFound):
                    return await self.get(media_id)
            return None

        found = await asyncio.gather(*(peek(media_id) for media_id in media_ids))
        return [item for item in found if item is not None]

    async def _survey(self, kind: MediaKind) -> None:
        """Count the items of one kind, and remove what is left of broken ones."""
        async for item in self._index.items(kind):
            if item.content is not None and item.is_whole:
                self.space.added(item.content.size_bytes)
            else:
                await self._index.sweep(item)

    async def _free_bytes(self) -> int:
        return await self._disk.run(free_bytes, self._root)

    def _unpromised_bytes(self) -> int:
        """Return the bytes in temporary files that nobody reserved."""
        by_source = self.temp_files.statistics().by_source
        return sum(source.total_bytes for name, source in by_source.items() if name not in _RESERVED_SOURCES)
