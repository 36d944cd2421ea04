"""One file on the local disk while it is written or read; every call that may block runs in a thread."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from app.domain.media import MediaDetails, MediaItem, MediaType
from app.errors import StorageFull
from app.storage import ids, metadata
from app.storage.space import SpaceReservation
from app.storage.store import CHUNK_BYTES, Chunk, Digest, MediaReader, MediaWriter
from app.storage.tempfiles import TempFile
from app.storage.threads import DiskThreads, finish

BATCH_BYTES = 512 * 1024
"""How much goes to a thread at a time: large enough that the hop costs nothing, small enough for many uploads."""

BATCH_CHUNKS = 256
"""At most so many pieces in a batch (`IOV_MAX` is 1024), so that a flood of tiny ones is not kept."""

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class LocalWriter(MediaWriter):
    """Writes a temporary file while the next bytes come in, and renames it when it is whole.

    At most one batch is being written and one collected, so a slow disk slows the client down and memory stays flat.
    """

    def __init__(
        self,
        temp_file: TempFile,
        root: Path,
        disk: DiskThreads,
        reservation: SpaceReservation,
        digest: Digest,
        synced: bool,
    ) -> None:
        self._temp_file = temp_file
        self._root = root
        self._disk = disk
        self._reservation = reservation
        self._sha256 = hashlib.sha256() if digest == "sha256" else None
        self._synced = synced
        self._fd = -1
        self._batch: list[Chunk] = []
        self._batch_bytes = 0
        self._size_bytes = 0
        self._in_flight: asyncio.Future[None] | None = None
        self.committed: MediaItem | None = None

    @property
    def size_bytes(self) -> int:
        return self._size_bytes

    async def write(self, chunk: Chunk) -> None:
        self._batch.append(chunk)
        self._batch_bytes += len(chunk)
        self._size_bytes += len(chunk)
        if self._batch_bytes >= BATCH_BYTES or len(self._batch) >= BATCH_CHUNKS:
            await self._hand_over()

    async def commit(self, name: str, media_type: MediaType, details: MediaDetails) -> MediaItem:
        await self._hand_over()
        await self._settle()
        with _full_disk():
            if self._synced:
                await self._disk.run_long(os.fsync, self._fd)
            item = self._describe(name, media_type, details)
            publication = self._disk.start(_publish, self._temp_file.path, self._root / item.path, item, self._synced)
            try:
                await finish(publication)
            finally:
                # Also when we are cancelled meanwhile: the thread went on, and the item is there.
                if publication.exception() is None:
                    self.committed = item
        return item

    async def aclose(self) -> None:
        """Wait for the thread and close the file, whatever happened."""
        try:
            if self._in_flight is not None:
                with suppress(OSError):
                    await finish(self._in_flight)
        finally:
            if self._fd >= 0:
                await self._disk.run(os.close, self._fd)

    async def _hand_over(self) -> None:
        """Let a thread write the batch, after the one before it has been written."""
        batch, batch_bytes = self._batch, self._batch_bytes
        self._batch, self._batch_bytes = [], 0
        await self._settle()
        await self._reservation.count(batch_bytes)
        self._in_flight = self._disk.start(self._write_batch, batch)
        self._temp_file.size_bytes += batch_bytes

    async def _settle(self) -> None:
        if self._in_flight is not None:
            in_flight, self._in_flight = self._in_flight, None
            with _full_disk():
                await finish(in_flight)

    def _write_batch(self, batch: list[Chunk]) -> None:
        """Runs in a thread. The chunks are written as they came, without a copy."""
        if self._fd < 0:
            self._fd = os.open(self._temp_file.path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        _write_all(self._fd, batch)
        if self._sha256 is not None:
            for chunk in batch:
                self._sha256.update(chunk)

    def _describe(self, name: str, media_type: MediaType, details: MediaDetails) -> MediaItem:
        now = datetime.now(UTC)
        media_id = ids.new_id(media_type.kind, now)
        return MediaItem(
            id=media_id,
            timestamp_key=ids.timestamp_key(media_id, now, media_type.extension),
            name=name,
            content_type=media_type.content_type,
            kind=media_type.kind,
            size_bytes=self._size_bytes,
            sha256=self._sha256.hexdigest() if self._sha256 is not None else None,
            path=f"media/{media_type.kind}/{ids.bucket_of(media_id)}/{media_id}{media_type.extension}",
            created_at=now,
            details=details,
        )


class LocalReader(MediaReader):
    """Reads one file with positioned reads."""

    def __init__(self, item: MediaItem, path: Path, disk: DiskThreads) -> None:
        self.item = item
        self._path = path
        self._disk = disk
        self._fd = -1

    async def open(self) -> None:
        """Open the file. `aclose` follows, whatever happened: a thread may have opened it while we were cancelled.

        Raises:
            OSError: it is not there, or not as large as it was.
        """
        await self._disk.run(self._open)

    async def chunks(self, offset: int, length: int, chunk_bytes: int = CHUNK_BYTES) -> AsyncIterator[bytes]:
        end = offset + length
        while offset < end:
            chunk = await self._disk.run(os.pread, self._fd, min(chunk_bytes, end - offset), offset)
            if not chunk:
                raise OSError(errno.EIO, "the stored file is shorter than it was")
            offset += len(chunk)
            yield chunk

    async def aclose(self) -> None:
        if self._fd >= 0:
            await self._disk.run(os.close, self._fd)

    def _open(self) -> None:
        self._fd = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        if os.fstat(self._fd).st_size != self.item.size_bytes:
            raise OSError(errno.EIO, "the stored file has another size than it had")


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut."""
    folder_fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder_fd)
    finally:
        os.close(folder_fd)


def _write_all(fd: int, batch: list[Chunk]) -> None:
    """Write every byte of the batch: `writev` may take only a part, most often when the disk is nearly full."""
    rest = batch
    while rest:
        written = os.writev(fd, rest)
        at = 0
        while at < len(rest) and written >= len(rest[at]):
            written -= len(rest[at])
            at += 1
        rest = rest[at:]
        if written:
            rest = [memoryview(rest[0])[written:], *rest[1:]]


def _publish(temp_path: Path, target: Path, item: MediaItem, synced: bool) -> None:
    """Rename the object into its place, then its metadata: from then on there is an item. Undone if it fails."""
    described = target.with_suffix(metadata.SUFFIX)
    draft = temp_path.with_suffix(metadata.SUFFIX)
    try:
        _make_folder(target.parent, synced)
        temp_path.rename(target)
        _write_file(draft, metadata.encode(item), synced)
        draft.rename(described)
        if synced:
            sync_folder(target.parent)
    except BaseException:
        for path in (described, draft, target):
            path.unlink(missing_ok=True)
        raise


def _make_folder(folder: Path, synced: bool) -> None:
    if folder.is_dir():
        return
    if not folder.parent.is_dir():
        _make_folder(folder.parent, synced)
    folder.mkdir(mode=0o700, exist_ok=True)
    if synced:
        sync_folder(folder.parent)


def _write_file(path: Path, data: bytes, synced: bool) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        _write_all(fd, [data])
        if synced:
            os.fsync(fd)
    finally:
        os.close(fd)


@contextmanager
def _full_disk() -> Iterator[None]:
    """Turn the system's word for a full disk into ours."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise StorageFull("The disk is full. Nothing was kept.") from error
        raise
