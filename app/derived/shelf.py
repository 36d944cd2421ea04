"""The cache's files: below one folder, bounded in bytes, counted in the quota, and the first to go when disk is needed.

No list of them is kept in memory: a file is found by its name, and what was not used for longest by the times of the
files, which are looked at only when some have to go.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from app.derived import ageing
from app.derived.entries import BodyFile, entry_bytes, open_entry, write_entry
from app.derived.layout import path_of, reference_of
from app.errors import StorageFull
from app.memory.cache import CacheKey
from app.storage.space import DiskSpace
from app.storage.threads import DiskThreads, finish

logger = logging.getLogger("ballast.derived")

_LEAVE_SHARE = 1 / 8
"""The part of the limit that is freed at a time, so that the times of all files are not looked at for each new one."""


@dataclass(frozen=True, slots=True)
class ShelfStatistics:
    entries: int
    size_bytes: int
    limit_bytes: int
    hits: int
    misses: int
    evictions: int


class Shelf:
    """Keeps files by key, at most `limit_bytes` of them; 0: none. Only what was derived from a media item is kept.

    What a cache cannot do for a failing disk it leaves undone: errors are logged, and the work is done again.
    """

    def __init__(self, folder: Path, limit_bytes: int, space: DiskSpace, disk: DiskThreads) -> None:
        self._folder = folder
        self._limit_bytes = limit_bytes
        self._space = space
        self._disk = disk
        self._changing = asyncio.Lock()
        self._drafts = 0
        self._entries = 0
        self._size_bytes = 0
        self._hits = 0
        self._misses = 0
        self._evictions = 0

    async def open(self) -> None:
        """Count what an earlier run left, and remove what does not belong here any more."""
        await self._disk.run_long(self._sweep)
        found = await self._disk.run_long(ageing.survey, self._folder)
        self._count(found.entries, found.size_bytes)
        self._space.let_give_way(self.evict)
        if self._size_bytes > self._limit_bytes:
            await self.evict(self._size_bytes - self._limit_bytes)

    async def find(self, key: CacheKey) -> tuple[bytes, BodyFile] | None:
        """Return the head and the open body of what is kept under `key`, and count the hit or miss."""
        if not self._limit_bytes or not key.subject:
            return None
        opened: list[tuple[bytes, BodyFile]] = []  # filled in the thread: a cancelled wait is not told what was opened
        try:
            await self._disk.run(_take, path_of(self._folder, key), opened)
        except BaseException as error:
            for _, body in opened:
                os.close(body.fd)
            if not isinstance(error, OSError):
                raise
            logger.warning("a file of the cache cannot be read", extra={"error": str(error)})
            opened.clear()
        if not opened:
            self._misses += 1
            return None
        self._hits += 1
        return opened[0]

    async def put(self, key: CacheKey, head: bytes, body: bytes | BodyFile) -> bool:
        """Keep it if there is room for it; return whether it is kept. A body's file stays its owner's.

        Call it while the item cannot be deleted (pinned, or open for reading): nothing of a deleted item may stay.
        """
        body_bytes = len(body) if isinstance(body, bytes) else body.size_bytes
        size_bytes = entry_bytes(head, body_bytes)
        if not key.subject or size_bytes > self._limit_bytes:
            return False
        try:
            await finish(self._put(key, head, body, size_bytes))
        except (OSError, StorageFull) as error:
            logger.info("a result is not kept in a file", extra={"error": str(error)})
            return False
        return True

    async def forget(self, subject: str) -> None:
        """Remove everything that was made from this media item."""
        async with self._changing:
            removed = await self._disk.run(ageing.remove_subject, self._folder, subject)
            self._count(-removed.entries, -removed.size_bytes)

    async def evict(self, wanted_bytes: int) -> int:
        """Remove the files that were not used for longest until `wanted_bytes` are free; return how many were."""
        async with self._changing:
            removed = await self._disk.run_long(ageing.remove_oldest, self._folder, wanted_bytes)
            self._count(-removed.entries, -removed.size_bytes)
            self._evictions += removed.entries
        return removed.size_bytes

    def statistics(self) -> ShelfStatistics:
        """Return the counts; no system call is made."""
        return ShelfStatistics(
            self._entries, self._size_bytes, self._limit_bytes, self._hits, self._misses, self._evictions
        )

    async def _put(self, key: CacheKey, head: bytes, body: bytes | BodyFile, size_bytes: int) -> None:
        surplus_bytes = self._size_bytes + size_bytes - self._limit_bytes
        if surplus_bytes > 0:
            await self.evict(max(surplus_bytes, int(self._limit_bytes * _LEAVE_SHARE)))
        reservation = self._space.open("")
        try:
            await reservation.count(size_bytes)
            self._drafts += 1
            draft = self._folder / f"draft-{self._drafts}"
            await self._disk.run(write_entry, draft, head, body)
            async with self._changing:
                replaced_bytes = await self._disk.run(_place, draft, path_of(self._folder, key))
                self._count(0 if replaced_bytes else 1, size_bytes - replaced_bytes)
                if key.also:
                    await self._disk.run(_touch, reference_of(self._folder, key))
        finally:
            reservation.release()

    def _count(self, entries: int, size_bytes: int) -> None:
        self._entries += entries
        self._size_bytes += size_bytes
        self._space.cached(size_bytes)

    def _sweep(self) -> None:
        """Remove drafts of a run that was killed, and everything where no files are wanted any more."""
        if not self._limit_bytes:
            shutil.rmtree(self._folder, ignore_errors=True)
            return
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for draft in self._folder.glob("draft-*"):
            draft.unlink()


def _touch(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o600)


def _take(path: Path, opened: list[tuple[bytes, BodyFile]]) -> None:
    found = open_entry(path)
    if found is not None:
        opened.append(found)
        with contextlib.suppress(OSError):
            os.utime(path)  # it is used: others go first


def _place(draft: Path, path: Path) -> int:
    """Give a draft its name; return the bytes of the file that had it before."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            replaced_bytes = path.stat().st_size
        except FileNotFoundError:
            replaced_bytes = 0
        draft.rename(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    return replaced_bytes
