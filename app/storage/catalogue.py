"""The catalogue of a local store: which items there are, newest first, without reading the same folder twice.

A folder is one kind and one bucket (`ids`). One service uses the root, so what was read of a folder stays true as long
as the service tells what it adds and removes. Ids of one folder differ in their tails only: 21 characters an item.
"""

from __future__ import annotations

import heapq
import os
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import overload

from app.domain.media import MediaKind
from app.storage import ids, metadata
from app.storage.threads import DiskThreads

KEPT_BYTES = 2 * 1024 * 1024
"""What is kept of all folders together: the ids of 99,840 items. It is set aside of the memory limit."""

_TAIL_BYTES = len(ids.cursor_after(ids.new_id(MediaKind.IMAGE, ids.created_at("i" + "0" * 21))))
_FOLDER_BYTES = 512
"""What a folder of which nothing is kept but its name takes."""


class Tails:
    """The tails of one folder's ids in order, one behind the other in one piece of memory."""

    def __init__(self, tails: list[str]) -> None:
        self._data = bytearray("".join(sorted(tails)), "ascii")

    def __len__(self) -> int:
        return len(self._data) // _TAIL_BYTES

    @overload
    def __getitem__(self, at: int) -> str: ...
    @overload
    def __getitem__(self, at: slice) -> list[str]: ...
    def __getitem__(self, at: int | slice) -> str | list[str]:
        if isinstance(at, int):
            return self._data[at * _TAIL_BYTES : (at + 1) * _TAIL_BYTES].decode("ascii")
        return [self[one] for one in range(*at.indices(len(self)))]

    def after(self, cursor: str, count: int) -> list[str]:
        """Return up to `count` tails behind `cursor`."""
        begin = bisect_right(self, cursor)
        return self[begin : begin + count]

    def add(self, tail: str) -> None:
        at = bisect_left(self, tail)
        if at == len(self) or self[at] != tail:
            self._data[at * _TAIL_BYTES : at * _TAIL_BYTES] = tail.encode("ascii")

    def remove(self, tail: str) -> None:
        at = bisect_left(self, tail)
        if at < len(self) and self[at] == tail:
            del self._data[at * _TAIL_BYTES : (at + 1) * _TAIL_BYTES]


@dataclass(slots=True)
class _Changes:
    """What was added to a folder (true) or removed (false) while it is being read."""

    tails: dict[str, bool] = field(default_factory=dict)


class Catalogue:
    """Lists items. Lives on the event loop: no locks; folders are read in threads, each by who needs it first."""

    def __init__(self, media: Path, disk: DiskThreads, kept_bytes: int = KEPT_BYTES) -> None:
        self._media = media
        self._disk = disk
        self._kept_bytes = kept_bytes
        self._used_bytes = 0
        self._folders: OrderedDict[tuple[MediaKind, str], Tails] = OrderedDict()
        self._reading: dict[tuple[MediaKind, str], list[_Changes]] = {}
        self._buckets: dict[MediaKind, set[str]] = {}

    async def newest(self, kinds: tuple[MediaKind, ...], cursor: str | None, count: int) -> list[str]:
        """Return up to `count` ids of these kinds, newest first, after `cursor`.

        Raises:
            InvalidParameter: it is not one of our cursors.
            StorageUnavailable: the disk does not answer.
        """
        first_bucket = "" if cursor is None else ids.bucket_of_cursor(cursor)
        found = [await self._newest_of(kind, first_bucket, cursor or "", count) for kind in kinds]
        return list(islice(heapq.merge(*found, key=ids.cursor_after), count))

    def added(self, media_id: str) -> None:
        """An item was published."""
        kind, bucket = ids.kind_of(media_id), ids.bucket_of(media_id)
        if kind in self._buckets:
            self._buckets[kind].add(bucket)
        self._change(kind, bucket, ids.cursor_after(media_id), is_there=True)

    def removed(self, media_id: str) -> None:
        """An item was deleted."""
        self._change(ids.kind_of(media_id), ids.bucket_of(media_id), ids.cursor_after(media_id), is_there=False)

    async def _newest_of(self, kind: MediaKind, first_bucket: str, cursor: str, count: int) -> list[str]:
        if kind not in self._buckets:
            found = await self._disk.read(_buckets, self._media / kind)
            self._buckets.setdefault(kind, set()).update(found)
        tails: list[str] = []
        for bucket in sorted(bucket for bucket in self._buckets[kind] if bucket >= first_bucket):
            tails += await self._tails(kind, bucket, cursor, count - len(tails))
            if len(tails) == count:
                break
        return [kind.value[0] + tail for tail in tails]

    async def _tails(self, kind: MediaKind, bucket: str, cursor: str, count: int) -> list[str]:
        known = self._folders.get((kind, bucket))
        if known is not None:
            self._folders.move_to_end((kind, bucket))
            return known.after(cursor, count)
        changes = _Changes()
        readers = self._reading.setdefault((kind, bucket), [])
        readers.append(changes)
        try:
            most = (self._kept_bytes - _FOLDER_BYTES) // _TAIL_BYTES
            found = await self._disk.read(_read, self._media / kind / bucket, kind, cursor, count, most)
        finally:
            readers.remove(changes)
            if not readers:
                del self._reading[kind, bucket]
        if isinstance(found, list):
            return found
        for tail, is_there in changes.tails.items():
            (found.add if is_there else found.remove)(tail)
        self._keep(kind, bucket, found)
        return found.after(cursor, count)

    def _keep(self, kind: MediaKind, bucket: str, tails: Tails) -> None:
        """Keep what was read of a folder; those that were not asked for longest go."""
        if (kind, bucket) not in self._folders:
            self._folders[kind, bucket] = tails
            self._used_bytes += _size_bytes(tails)
        self._trim()

    def _trim(self) -> None:
        while self._used_bytes > self._kept_bytes:
            _, tails = self._folders.popitem(last=False)
            self._used_bytes -= _size_bytes(tails)

    def _change(self, kind: MediaKind, bucket: str, tail: str, *, is_there: bool) -> None:
        for changes in self._reading.get((kind, bucket), ()):
            changes.tails[tail] = is_there
        tails = self._folders.get((kind, bucket))
        if tails is not None:
            self._used_bytes -= _size_bytes(tails)
            (tails.add if is_there else tails.remove)(tail)
            self._used_bytes += _size_bytes(tails)
            self._trim()


def _size_bytes(tails: Tails) -> int:
    return len(tails) * _TAIL_BYTES + _FOLDER_BYTES


def _buckets(folder: Path) -> list[str]:
    return os.listdir(folder) if folder.is_dir() else []  # noqa: PTH208 - names are all that is wanted


def _read(folder: Path, kind: MediaKind, cursor: str, count: int, most: int) -> Tails | list[str]:
    """Runs in a thread: read a folder; of one with more than `most` items, only the `count` behind `cursor`."""
    tails = list(islice(_names(folder, kind), most + 1))
    if len(tails) <= most:
        return Tails(tails)
    return heapq.nsmallest(count, (tail for tail in _names(folder, kind) if tail > cursor))


def _names(folder: Path, kind: MediaKind) -> Iterator[str]:
    letter, end = kind.value[0], -len(metadata.SUFFIX)
    with os.scandir(folder) as entries:
        for entry in entries:
            name = entry.name
            if name[0] == letter and name.endswith(metadata.SUFFIX) and ids.is_id(name[:end]):
                yield name[1:end]
