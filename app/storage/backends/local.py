"""The store on a local disk: plain files, made visible by a rename.

    <root>/media/<kind>/<bucket>/<id><extension>   the bytes
    <root>/media/<kind>/<bucket>/<id>.json         what is known about them (`metadata`): without it there is no item
    <root>/tmp/                                    what is being written (`tempfiles`)
    <root>/lock                                    held while a service uses the root

A bucket holds the items of 9.5 hours, so that a list of the newest reads few names.
"""

from __future__ import annotations

import errno
import heapq
import logging
import os
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, suppress
from itertools import islice
from pathlib import Path

from app.domain.media import MediaItem, MediaKind, MediaPage
from app.errors import NotFound
from app.settings import StorageSettings
from app.storage import ids, metadata
from app.storage.filesystem import claim, free_bytes, refuse_memory
from app.storage.localfile import LocalReader, LocalWriter, Publisher, describe, sync_folder
from app.storage.pins import Pins
from app.storage.space import DiskSpace, StorageUsage
from app.storage.store import Digest, FinishedFile, MediaReader, MediaStore, MediaWriter
from app.storage.tempfiles import TempFiles
from app.storage.threads import DiskThreads, finish

logger = logging.getLogger("ballast.storage")

_DELETE_PATIENCE_SECONDS = 1.0
"""How long a deletion waits for readers: whoever has just read an item and deletes it is not refused."""


class LocalStore(MediaStore):
    """Keeps media below one folder (0700, files 0600). One process at a time may use it."""

    name = "local"

    def __init__(self, settings: StorageSettings, disk: DiskThreads) -> None:
        self._settings = settings
        self._root = settings.root.absolute()
        self._media = self._root / "media"
        self._disk = disk
        self._pins = Pins()
        self._publisher = Publisher(self._root, disk, settings.fsync)
        self._lock_fd: int | None = None
        self.temp_files = TempFiles(self._root / "tmp", disk)
        self.space = DiskSpace(self._free_bytes, settings.quota, settings.free_floor, self._unpromised_bytes)

    async def open(self) -> None:
        if not self._settings.allow_tmpfs:
            refuse_memory(self._root)
        self._lock_fd = claim(self._root)
        await self.temp_files.open()
        for size_bytes in await self._disk.run_long(_survey, self._media):
            self.space.added(size_bytes)

    async def aclose(self) -> None:
        await self.temp_files.aclose()
        if self._lock_fd is not None:
            os.close(self._lock_fd)
            self._lock_fd = None

    @asynccontextmanager
    async def writer(self, declared_bytes: int | None, digest: Digest) -> AsyncIterator[MediaWriter]:
        reservation = await self.space.reserve(declared_bytes)
        try:
            async with self.temp_files.file("upload") as temp_file:
                writer = LocalWriter(temp_file, self._publisher, reservation, digest)
                try:
                    yield writer
                finally:
                    await writer.aclose()
                    if writer.committed is not None:
                        self.space.added(writer.committed.size_bytes)
        finally:
            reservation.release()

    async def adopt(self, file: FinishedFile) -> MediaItem:
        item = describe(file.media_id, file.name, file.media_type, file.details, file.size_bytes, file.sha256)

        def link(target: Path) -> None:
            _link(file.path, target)

        draft = self._root / "tmp" / f"{file.media_id}{metadata.SUFFIX}"
        await self._publisher.publish(link, draft, item, lambda: self.space.added(item.size_bytes))
        return item

    @asynccontextmanager
    async def reader(self, media_id: str) -> AsyncIterator[MediaReader]:
        with self._pins.hold(media_id):
            item = await self.get(media_id)
            reader = LocalReader(item, self._root / item.path, self._disk)
            try:
                await reader.open()
                yield reader
            finally:
                await reader.aclose()

    @asynccontextmanager
    async def local_file(self, media_id: str) -> AsyncIterator[Path]:
        async with self.reader(media_id) as reader:
            yield self._root / reader.item.path

    async def get(self, media_id: str) -> MediaItem:
        return await self._disk.run(_read_item, self._metadata_path(media_id))

    async def page(self, limit: int, cursor: str | None = None, kind: MediaKind | None = None) -> MediaPage:
        kinds = tuple(MediaKind) if kind is None else (kind,)
        first_bucket = "" if cursor is None else ids.bucket_of_cursor(cursor)
        return await self._disk.run(self._read_page, limit, cursor or "", first_bucket, kinds)

    async def delete(self, media_id: str) -> None:
        path = self._metadata_path(media_id)
        await self._pins.free(media_id, _DELETE_PATIENCE_SECONDS)
        with self._pins.leaving(media_id):
            deletion = self._disk.start(_delete, path, self._root, self._settings.fsync)
            try:
                await finish(deletion)
            finally:
                if deletion.exception() is None:
                    self.space.removed(deletion.result())

    def pin(self, media_id: str) -> AbstractContextManager[None]:
        return self._pins.hold(media_id)

    def local_path(self, item: MediaItem) -> Path | None:
        return self._root / item.path

    def usage(self) -> StorageUsage:
        return self.space.usage()

    async def _free_bytes(self) -> int:
        return await self._disk.run(free_bytes, self._root)

    def _unpromised_bytes(self) -> int:
        """Return the bytes in temporary files that nobody reserved: all but those of uploads."""
        by_source = self.temp_files.statistics().by_source
        return sum(source.total_bytes for name, source in by_source.items() if name != "upload")

    def _metadata_path(self, media_id: str) -> Path:
        kind = ids.kind_of(media_id)
        return self._media / kind / ids.bucket_of(media_id) / f"{media_id}{metadata.SUFFIX}"

    def _read_page(self, limit: int, cursor: str, first_bucket: str, kinds: tuple[MediaKind, ...]) -> MediaPage:
        newest_first = heapq.merge(
            *(_listing(self._media / kind, first_bucket) for kind in kinds), key=lambda media_id: media_id[1:]
        )
        items = (item for media_id in newest_first if media_id[1:] > cursor for item in self._peek(media_id))
        found = tuple(islice(items, limit + 1))
        next_cursor = ids.cursor_after(found[limit - 1].id) if len(found) > limit else None
        return MediaPage(found[:limit], next_cursor)

    def _peek(self, media_id: str) -> Iterator[MediaItem]:
        """Give the item, or nothing where it was deleted meanwhile or is broken."""
        with suppress(NotFound):
            yield _read_item(self._metadata_path(media_id))


def _link(source: Path, target: Path) -> None:
    """Give a file a second name, so that a crash leaves it the first one; where there are no links, move it."""
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):
            raise
        source.rename(target)


def _survey(media: Path) -> list[int]:
    """Return the sizes of all committed items; remove objects without metadata, and metadata without object."""
    sizes: list[int] = []
    for bucket in _buckets(media):
        names = {entry.name: entry for entry in os.scandir(bucket)}
        described = {name.removesuffix(metadata.SUFFIX) for name in names if name.endswith(metadata.SUFFIX)}
        objects = {name.partition(".")[0]: entry for name, entry in names.items() if not name.endswith(metadata.SUFFIX)}
        sizes += [entry.stat().st_size for media_id, entry in objects.items() if media_id in described]
        orphans = [entry.name for media_id, entry in objects.items() if media_id not in described]
        orphans += [media_id + metadata.SUFFIX for media_id in described - objects.keys()]
        for name in orphans:
            (bucket / name).unlink(missing_ok=True)
            logger.warning("removed an unfinished media item of an earlier run", extra={"file": name})
        if len(orphans) == len(names):
            bucket.rmdir()
    return sizes


def _buckets(media: Path) -> Iterable[Path]:
    return [bucket for kind in MediaKind if (media / kind).is_dir() for bucket in (media / kind).iterdir()]


def _listing(folder: Path, first_bucket: str) -> Iterator[str]:
    """Give the ids below one kind's folder, newest first, from a bucket on; one bucket is in memory at a time."""
    buckets = sorted(entry.name for entry in os.scandir(folder)) if folder.is_dir() else []
    for bucket in buckets:
        if bucket >= first_bucket:
            names = (entry.name for entry in os.scandir(folder / bucket))
            yield from sorted(name.removesuffix(metadata.SUFFIX) for name in names if name.endswith(metadata.SUFFIX))


def _read_item(path: Path) -> MediaItem:
    try:
        return metadata.decode(path.read_bytes())
    except FileNotFoundError:
        raise NotFound("There is no media item with this id.") from None
    except ValueError as error:
        logger.error("the metadata of a media item is broken", extra={"file": path.name, "error": str(error)})
        raise NotFound("There is no media item with this id.") from None


def _delete(path: Path, root: Path, synced: bool) -> int:
    """Remove the metadata first, so that what a crash leaves is an orphan and not a broken item; return the size."""
    item = _read_item(path)
    path.unlink()
    (root / item.path).unlink(missing_ok=True)
    if synced:
        sync_folder(path.parent)
    return item.size_bytes
