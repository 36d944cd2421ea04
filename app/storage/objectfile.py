"""One file of the store in a bucket: while it comes in, when it is made visible, and when it is read."""

from __future__ import annotations

import asyncio
import errno
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from app.domain.media import MediaDetails, MediaItem, MediaType
from app.errors import BallastError
from app.storage import ids, metadata
from app.storage.appender import Appender
from app.storage.localfile import describe
from app.storage.objectindex import metadata_key
from app.storage.space import SpaceReservation
from app.storage.store import CHUNK_BYTES, Chunk, Digest, MediaReader, MediaWriter
from app.storage.tempfiles import TempFile
from app.storage.threads import DiskThreads, finish

if TYPE_CHECKING:
    from app.storage.objects import ObjectBucket

_TIDY_SECONDS = 10


class ObjectWriter(MediaWriter):
    """Collects an item in a temporary file on the local disk, and hands that over when it is whole."""

    def __init__(
        self,
        temp_file: TempFile,
        disk: DiskThreads,
        reservation: SpaceReservation,
        digest: Digest,
        publish: Callable[[Path, MediaItem], Awaitable[None]],
    ) -> None:
        self._temp_file = temp_file
        self._reservation = reservation
        self._publish = publish
        self._sha256 = hashlib.sha256() if digest == "sha256" else None
        digests = [self._sha256] if self._sha256 is not None else []
        self._appender = Appender(temp_file.path, disk, self._count, digests, synced=False)

    @property
    def size_bytes(self) -> int:
        return self._appender.size_bytes

    async def write(self, chunk: Chunk) -> None:
        await self._appender.write(chunk)

    async def staged(self) -> Path:
        await self._appender.flush()
        return self._temp_file.path

    async def commit(self, name: str, media_type: MediaType, details: MediaDetails) -> MediaItem:
        path = await self.staged()
        media_id = ids.new_id(media_type.kind, datetime.now(UTC))
        sha256 = self._sha256.hexdigest() if self._sha256 is not None else None
        item = describe(media_id, name, media_type, details, self.size_bytes, sha256)
        await self._publish(path, item)
        return item

    async def aclose(self) -> None:
        """Wait for the thread and close the file, whatever happened."""
        await self._appender.aclose()

    async def _count(self, size_bytes: int) -> None:
        await self._reservation.count(size_bytes)
        self._temp_file.size_bytes += size_bytes


class ObjectReader(MediaReader):
    """Reads one object with ranged requests."""

    def __init__(self, item: MediaItem, bucket: ObjectBucket) -> None:
        self.item = item
        self._bucket = bucket

    async def open(self) -> None:
        """Look whether the object is there.

        Raises:
            OSError: it is not, or not as large as it was.
        """
        if await self._bucket.size(self.item.path) != self.item.size_bytes:
            raise OSError(errno.EIO, "the stored object has another size than it had")

    def chunks(self, offset: int, length: int, chunk_bytes: int = CHUNK_BYTES) -> AsyncIterator[bytes]:
        return self._bucket.chunks(self.item.path, offset, length, chunk_bytes)


async def publish(bucket: ObjectBucket, path: Path, item: MediaItem, then: Callable[[], None]) -> None:
    """Put the object, then its metadata: from then on there is an item. What fails or is cancelled leaves nothing.

    `then` is called once the item is there, also when we are cancelled meanwhile.

    Raises:
        StorageUnavailable: the store did not take it.
        OSError: the file cannot be read.
    """
    described = metadata_key(item.id)
    try:
        await bucket.put_file(path, item)
    except BaseException:
        await _tidy(bucket, item.path)
        raise
    description = asyncio.ensure_future(bucket.put_json(described, metadata.encode(item)))
    try:
        await finish(description)
    finally:
        if description.exception() is None:
            then()
        else:
            await _tidy(bucket, described, item.path)


async def _tidy(bucket: ObjectBucket, *keys: str) -> None:
    """Remove what a failed commit may have left; where that fails too, the sweep does it later."""
    with anyio.move_on_after(_TIDY_SECONDS, shield=True):
        try:
            for key in keys:
                await bucket.delete(key)
        except BallastError:
            return
