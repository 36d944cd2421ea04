"""One file of the store on the local disk: while it is written, when it is made visible, and when it is read."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from app.domain.media import MediaDetails, MediaItem, MediaType
from app.storage import ids, metadata
from app.storage.appender import Appender, full_disk, write_all
from app.storage.space import SpaceReservation
from app.storage.store import CHUNK_BYTES, Chunk, Digest, MediaReader, MediaWriter
from app.storage.tempfiles import TempFile
from app.storage.threads import DiskThreads, finish


@dataclass(frozen=True, slots=True)
class Publisher:
    """Makes finished files visible below `root`: the object first, then its metadata; from then on there is an item."""

    root: Path
    disk: DiskThreads
    synced: bool

    async def publish(
        self, move: Callable[[Path], None], draft: Path, item: MediaItem, then: Callable[[], None]
    ) -> None:
        """Have `move` put the object where the item belongs; `draft` is where its metadata is written first.

        `then` is called once the item is there, also when we are cancelled meanwhile: the thread goes on.

        Raises:
            StorageFull: there is no room for it; nothing is visible.
        """
        publication = self.disk.start(_publish, move, draft, self.root / item.path, item, self.synced)
        with full_disk():
            try:
                await finish(publication)
            finally:
                if publication.exception() is None:
                    then()


class LocalWriter(MediaWriter):
    """Writes a temporary file while the next bytes come in, and renames it when it is whole."""

    def __init__(
        self, temp_file: TempFile, publisher: Publisher, reservation: SpaceReservation, digest: Digest
    ) -> None:
        self._temp_file = temp_file
        self._publisher = publisher
        self._reservation = reservation
        self._sha256 = hashlib.sha256() if digest == "sha256" else None
        self._appender = Appender(
            temp_file.path,
            publisher.disk,
            self._count,
            [self._sha256] if self._sha256 is not None else [],
            synced=publisher.synced,
        )
        self.committed: MediaItem | None = None

    @property
    def size_bytes(self) -> int:
        return self._appender.size_bytes

    async def write(self, chunk: Chunk) -> None:
        await self._appender.write(chunk)

    async def staged(self) -> Path:
        await self._appender.flush()
        return self._temp_file.path

    async def commit(self, name: str, media_type: MediaType, details: MediaDetails) -> MediaItem:
        await self._appender.sync()
        media_id = ids.new_id(media_type.kind, datetime.now(UTC))
        sha256 = self._sha256.hexdigest() if self._sha256 is not None else None
        item = describe(media_id, name, media_type, details, self.size_bytes, sha256)
        draft = self._temp_file.path.with_suffix(metadata.SUFFIX)

        def committed() -> None:
            self.committed = item

        await self._publisher.publish(self._move, draft, item, committed)
        return item

    async def aclose(self) -> None:
        """Wait for the thread and close the file, whatever happened."""
        await self._appender.aclose()

    def _move(self, target: Path) -> None:
        self._temp_file.path.rename(target)

    async def _count(self, size_bytes: int) -> None:
        await self._reservation.count(size_bytes)
        self._temp_file.size_bytes += size_bytes


def describe(
    media_id: str, name: str, media_type: MediaType, details: MediaDetails, size_bytes: int, sha256: str | None
) -> MediaItem:
    """Return the item of this id: its time and its place follow from the id."""
    created_at = ids.created_at(media_id)
    return MediaItem(
        id=media_id,
        timestamp_key=ids.timestamp_key(media_id, created_at, media_type.extension),
        name=name,
        content_type=media_type.content_type,
        kind=media_type.kind,
        size_bytes=size_bytes,
        sha256=sha256,
        path=f"media/{media_type.kind}/{ids.bucket_of(media_id)}/{media_id}{media_type.extension}",
        created_at=created_at,
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


def _publish(move: Callable[[Path], None], draft: Path, target: Path, item: MediaItem, synced: bool) -> None:
    """Move the object into its place, then its metadata: from then on there is an item. Undone if it fails."""
    described = target.with_suffix(metadata.SUFFIX)
    try:
        _make_folder(target.parent, synced)
        move(target)
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
        write_all(fd, [data])
        if synced:
            os.fsync(fd)
    finally:
        os.close(fd)
