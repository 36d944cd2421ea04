"""One bucket of an object store, by obstore. Imported only where such a store is configured (15 MB RSS).

How much memory a transfer takes is set here and measured (docs/decisions/0017-obstore.md): nothing is left to defaults.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import obstore
from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError

from app.domain.disposition import CACHE_CONTROL, content_disposition
from app.domain.media import MediaItem
from app.domain.units import KIB, MIB
from app.errors import StorageUnavailable
from app.storage.object_traffic import ObjectTraffic
from app.storage.objectclients import ObjectClients
from app.storage.storewatch import StoreWatch
from app.storage.threads import DiskThreads, finish

logger = logging.getLogger("ballast.storage")

PART_BYTES = 5 * MIB
"""The smallest part of a multipart upload (Amazon S3 User Guide, multipart upload limits): larger ones cost memory."""

MAX_PARTS = 10_000
"""The most parts of one upload (the same source)."""

MAX_OBJECT_BYTES = MAX_PARTS * PART_BYTES
"""48.8 GiB: larger objects would need larger parts, and so more memory than is set aside."""

PARTS_AT_A_TIME = 2
"""Parts of one upload on their way at a time: the next is sent before the one before it is answered."""

UPLOADS_AT_A_TIME = 2
"""Uploads of each size class (one part, many parts) at a time: a small one never waits for a large one."""

READ_BYTES = 512 * KIB
"""Largest piece asked of a download; up to 0.4 MiB more come, as they arrived."""

TRANSFER_BYTES = UPLOADS_AT_A_TIME * (PARTS_AT_A_TIME * PART_BYTES + PART_BYTES) + 16 * MIB
"""What all uploads together and the library itself (runtime, connections) take of the process (measured: 44 MB)."""

_FILE_PIECE_BYTES = MIB
_ATTEMPTS = 3
_NO_KEY = "media/none"


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One entry of a listing."""

    key: str
    size_bytes: int
    modified_at: datetime


class ObjectBucket:
    """Puts, gets, lists and deletes objects below a prefix. What is being put is visible only when it is whole.

    Every method raises StorageUnavailable where the store refuses, or does not answer after several attempts.
    """

    max_bytes = MAX_OBJECT_BYTES
    buffer_bytes = TRANSFER_BYTES

    def __init__(self, clients: ObjectClients, disk: DiskThreads, stalled_seconds: float) -> None:
        """`stalled_seconds` is how long the store may answer nothing while something is sent to it."""
        self._clients = clients
        self._disk = disk
        self.traffic = ObjectTraffic()
        self._watch = StoreWatch(self.ask, stalled_seconds)
        self._small = asyncio.Semaphore(UPLOADS_AT_A_TIME)
        self._large = asyncio.Semaphore(UPLOADS_AT_A_TIME)

    async def ask(self) -> None:
        """Ask whether the store answers, about what nobody keeps there; nothing is logged."""
        try:
            with self.traffic.timed("head"):
                await obstore.head_async(self._clients.quick, _NO_KEY)
        except (FileNotFoundError, PermissionDeniedError, UnauthenticatedError):
            return  # that there is none, or that we may not know, is an answer
        except BaseError as error:
            raise StorageUnavailable("The object store does not answer as it should.") from error

    async def put_file(self, path: Path, item: MediaItem) -> None:
        """Put a file as the object of `item`.

        Cancelled, it leaves no hidden parts, but what was put so far may stand as the object: remove that.

        Raises:
            OSError: the file cannot be read.
        """
        attributes = {
            "Content-Type": item.content_type,
            "Content-Disposition": content_disposition(item.content_type, item.name),
            "Cache-Control": CACHE_CONTROL,
        }
        begun, cut = asyncio.Event(), asyncio.Event()
        if item.size_bytes <= PART_BYTES:
            transfer = asyncio.ensure_future(self._put_whole(item.path, path, attributes))
        else:
            pieces = _pieces(path, self._disk, begun, cut)
            transfer = asyncio.ensure_future(self._put_parts(item.path, pieces, attributes))
        try:
            await self._watch.wait(transfer)
        except asyncio.CancelledError:
            # Parts are neither dropped nor aborted, for those on their way would stay, hidden (Amazon S3 API,
            # AbortMultipartUpload: "it might be necessary to abort [...] multiple times"). It ends early instead.
            cut.set()
            if not begun.is_set():
                transfer.cancel()
            await asyncio.gather(finish(self._watch.wait(transfer)), return_exceptions=True)
            raise

    async def put_json(self, key: str, data: bytes) -> None:
        """Put a small object at once."""
        attributes = {"Content-Type": "application/json"}
        with self._answering("put"):
            await obstore.put_async(self._clients.quick, key, data, attributes=attributes, use_multipart=False)

    async def get(self, key: str) -> bytes:
        """Return a small object whole.

        Raises:
            FileNotFoundError: there is none.
        """
        with self._answering("get"):
            found = await obstore.get_async(self._clients.quick, key)
            return bytes(await found.bytes_async())

    async def size(self, key: str) -> int:
        """Return the size of an object.

        Raises:
            FileNotFoundError: there is none.
        """
        with self._answering("head"):
            return (await obstore.head_async(self._clients.quick, key))["size"]

    async def chunks(self, key: str, offset: int, length: int, chunk_bytes: int) -> AsyncIterator[bytes]:
        """Give `length` bytes from `offset` in pieces of about `chunk_bytes`; a broken connection is made again.

        Raises:
            OSError: the bytes cannot be read.
        """
        end, failures = offset + length, 0
        while offset < end:
            try:
                with self.traffic.timed("get"):
                    found = await obstore.get_async(self._clients.reading, key, options={"range": (offset, end)})
                async for piece in found.stream(min(chunk_bytes, READ_BYTES)):
                    offset, failures = offset + len(piece), 0
                    yield bytes(piece)
                if offset < end:
                    raise OSError(errno.EIO, "the stored object is shorter than it was")
            except BaseError as error:
                failures += 1
                if failures == _ATTEMPTS:
                    raise OSError(errno.EIO, f"the object store broke off: {_message(error)}") from error
                logger.warning("a download from the object store broke off", extra={"error": _message(error)})

    async def list(self, folder: str, after: str | None = None) -> AsyncIterator[StoredObject]:
        """Give the objects below `folder`, in the order of their keys, after the key `after`."""
        with self._answering("list"):
            async for batch in obstore.list(self._clients.quick, folder, offset=after, chunk_size=200):
                for found in batch:
                    yield StoredObject(found["path"], found["size"], found["last_modified"])

    @property
    def is_away(self) -> bool:
        """Whether the store answered nothing when something was last sent to it."""
        return self._watch.is_away

    async def delete(self, key: str) -> None:
        """Remove an object, if it is there."""
        with self._answering("delete"), suppress(FileNotFoundError):
            await obstore.delete_async(self._clients.quick, key)

    async def link(self, key: str, seconds: int) -> str:
        """Return a URL with which anybody can get the object for that long."""
        return await obstore.sign_async(self._clients.public, "GET", key, timedelta(seconds=seconds))

    async def aclose(self) -> None:
        """Let go of it."""
        await self._watch.aclose()

    async def _put_whole(self, key: str, path: Path, attributes: dict[str, str]) -> None:
        async with self._small:
            data = await self._disk.read(path.read_bytes)
            with self._answering("put"):
                await obstore.put_async(self._clients.sending, key, data, attributes=attributes, use_multipart=False)

    async def _put_parts(self, key: str, pieces: AsyncIterator[bytes], attributes: dict[str, str]) -> None:
        async with self._large:
            await self._put_pieces(key, pieces, attributes)

    async def _put_pieces(self, key: str, pieces: AsyncIterator[bytes], attributes: dict[str, str]) -> None:
        with self._answering("put"):
            await obstore.put_async(
                self._clients.sending,
                key,
                pieces,
                attributes=attributes,
                use_multipart=True,
                chunk_size=PART_BYTES,
                max_concurrency=PARTS_AT_A_TIME,
            )

    @contextmanager
    def _answering(self, verb: str) -> Iterator[None]:
        """Count a request, and turn the library's errors into ours; their text is for the log only: it holds addresses.

        Raises:
            StorageUnavailable: the store refused, or did not answer after several attempts.
        """
        try:
            with self.traffic.timed(verb):
                yield
        except BaseError as error:
            logger.error("the object store failed", extra={"verb": verb, "error": _message(error)})
            raise StorageUnavailable(
                "The object store does not answer as it should. Try again later.", retry_after_seconds=5
            ) from error


async def _pieces(path: Path, disk: DiskThreads, begun: asyncio.Event, cut: asyncio.Event) -> AsyncIterator[bytes]:
    """Give the bytes of a file, and set `begun` at the first. Once `cut` is set, there is no next piece."""
    begun.set()
    async with disk.opened(path, os.O_RDONLY | os.O_NOFOLLOW) as fd:
        offset = 0
        while (piece := await disk.read(os.pread, fd, _FILE_PIECE_BYTES, offset)) and not cut.is_set():
            offset += len(piece)
            yield piece


def _message(error: Exception) -> str:
    return str(error).partition("\n\nDebug source")[0].strip()[:300]
