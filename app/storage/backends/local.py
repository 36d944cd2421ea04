"""The store on a local disk: plain files, made visible by a rename.

    <root>/media/<kind>/<bucket>/<id><extension>   the bytes
    <root>/media/<kind>/<bucket>/<id>.json         what is known about them (`metadata`): without it there is no item
    <root>/tmp/                                    what is being written (`tempfiles`)
    <root>/lock                                    held while a service uses the root

A bucket holds the items of 9.5 hours, so that a list of the newest reads few names.
"""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from app.domain.media import MediaItem, MediaKind
from app.errors import StorageUnavailable
from app.settings import StorageSettings
from app.storage import metadata
from app.storage.backend import CHUNK_BYTES, MediaReader
from app.storage.catalogue import KEPT_BYTES, Catalogue
from app.storage.files import make_folder, replace, sync, unlink
from app.storage.lane import Call
from app.storage.store import MediaStore
from app.storage.threads import DiskThreads

logger = logging.getLogger("ballast.storage")


class LocalStore(MediaStore):
    """Keeps media below one folder (0700, files 0600). One process at a time may use it."""

    name = "local"

    def __init__(self, settings: StorageSettings, disk: DiskThreads) -> None:
        super().__init__(settings, disk)
        self._catalogue = Catalogue(self._root / "media", disk)
        self.buffer_bytes = KEPT_BYTES

    def local_path(self, item: MediaItem) -> Path | None:
        return self._root / item.path

    async def _survey(self) -> tuple[int, int]:
        return await self._disk.run_long(_survey, self._root / "media")

    async def _publish(self, path: Path, item: MediaItem) -> None:
        call = self._disk.start(_publish, path, item, self._root, self._settings.fsync)
        try:
            await self._disk.settle(call)
        except StorageUnavailable:
            call.future.add_done_callback(lambda _: self._take_back(call, item))
            raise
        self._catalogue.added(item.id)

    async def _rewrite(self, item: MediaItem) -> None:
        described = self._root / metadata.path_of(item.id)
        draft = self._root / "tmp" / described.name
        await self._disk.run(replace, described, metadata.encode(item), draft, self._settings.fsync)

    async def _unpublish(self, item: MediaItem) -> None:
        if not await self._disk.ensure(_unpublish, item, self._root, self._settings.fsync):
            self._catalogue.removed(item.id)
            self.space.removed(item.size_bytes)  # whoever waits for it or not
            raise StorageUnavailable("The disk does not answer: the item goes when it does.", retry_after_seconds=10)
        self._catalogue.removed(item.id)

    async def _newest(self, kinds: tuple[MediaKind, ...], cursor: str | None, count: int) -> list[str]:
        return await self._catalogue.newest(kinds, cursor, count)

    async def _read_metadata(self, media_ids: Sequence[str]) -> list[bytes | None]:
        return await self._disk.read(_read, [self._root / metadata.path_of(media_id) for media_id in media_ids])

    def _take_back(self, call: Call[None], item: MediaItem) -> None:
        """What was published after all, when nobody waited for it any more, was refused: it is not there."""
        if call.has_succeeded:
            self._disk.after(call, _unpublish, item, self._root, self._settings.fsync)

    def _reader(self, item: MediaItem) -> MediaReader:
        return LocalReader(item, self._root / item.path, self._disk)


class LocalReader(MediaReader):
    """Reads one file with positioned reads."""

    def __init__(self, item: MediaItem, path: Path, disk: DiskThreads) -> None:
        self.item = item
        self._path = path
        self._disk = disk
        self._fd = -1
        self._opening: Call[None] | None = None

    async def open(self) -> None:
        self._opening = self._disk.start_reading(self._open)
        await self._disk.settle(self._opening)

    async def chunks(self, offset: int, length: int, chunk_bytes: int = CHUNK_BYTES) -> AsyncIterator[bytes]:
        end = offset + length
        while offset < end:
            chunk = await self._disk.read(os.pread, self._fd, min(chunk_bytes, end - offset), offset)
            if not chunk:
                raise OSError(errno.EIO, "the stored file is shorter than it was")
            offset += len(chunk)
            yield chunk

    async def aclose(self) -> None:
        if self._opening is not None and not self._opening.future.done():
            self._disk.after(self._opening, self._close)
        else:
            await self._disk.ensure(self._close)

    def _close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)

    def _open(self) -> None:
        self._fd = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        if os.fstat(self._fd).st_size != self.item.size_bytes:
            raise OSError(errno.EIO, "the stored file has another size than it had")


def _publish(source: Path, item: MediaItem, root: Path, synced: bool) -> None:
    """Put the file into its place, then its metadata: from then on there is an item. Undone if it fails."""
    target = root / item.path
    described = root / metadata.path_of(item.id)
    draft = root / "tmp" / described.name
    try:
        make_folder(target.parent, synced)
        _link(source, target)
        replace(described, metadata.encode(item), draft, synced)
    except BaseException:
        for path in (described, draft, target):
            unlink(path)
        raise


def _link(source: Path, target: Path) -> None:
    """Give a file a second name, so that a crash leaves it the first one; where there are no links, move it."""
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):
            raise
        source.rename(target)


def _unpublish(item: MediaItem, root: Path, synced: bool) -> None:
    described = root / metadata.path_of(item.id)
    unlink(described)
    unlink(root / item.path)
    if synced:
        sync(described.parent)


def _read(paths: list[Path]) -> list[bytes | None]:
    found: list[bytes | None] = []
    for path in paths:
        try:
            found.append(path.read_bytes())
        except FileNotFoundError:
            found.append(None)
    return found


def _survey(media: Path) -> tuple[int, int]:
    """Count the items and their bytes; remove bytes without metadata, and metadata without bytes."""
    items = stored_bytes = 0
    for bucket in (bucket for kind in MediaKind if (media / kind).is_dir() for bucket in (media / kind).iterdir()):
        names = {entry.name: entry for entry in os.scandir(bucket)}
        described = {name.removesuffix(metadata.SUFFIX) for name in names if name.endswith(metadata.SUFFIX)}
        objects = {name.partition(".")[0]: entry for name, entry in names.items() if not name.endswith(metadata.SUFFIX)}
        whole = [entry.stat().st_size for media_id, entry in objects.items() if media_id in described]
        items, stored_bytes = items + len(whole), stored_bytes + sum(whole)
        orphans = [entry.name for media_id, entry in objects.items() if media_id not in described]
        orphans += [media_id + metadata.SUFFIX for media_id in described - objects.keys()]
        for name in orphans:
            unlink(bucket / name)
            logger.warning("removed an unfinished media item of an earlier run", extra={"file": name})
        if len(orphans) == len(names):
            bucket.rmdir()
    return items, stored_bytes
