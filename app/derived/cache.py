"""The one cache: memory first, then files; and equal work that is going on is done once.

What was derived from a media item is found by the item's id, what made it, and a digest of the parameters and of the
version of what made it. It goes with the item. What was derived from bytes that were only sent (no subject) is kept in
memory alone: nothing of them is on the disk.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from app.derived.entries import BodyFile
from app.derived.shelf import Shelf, ShelfStatistics
from app.domain.units import MIB
from app.memory.cache import Cache, CacheKey, CacheStatistics, Kept
from app.storage.threads import DiskThreads

IN_MEMORY_BYTES = MIB
"""The largest body that is kept in memory; larger ones are sent from their files."""


@dataclass(frozen=True, slots=True)
class Found:
    """A result: `body` is there, or in an open file, which is closed by whoever opened this."""

    head: bytes
    body: bytes | BodyFile

    @property
    def size_bytes(self) -> int:
        return len(self.body) if isinstance(self.body, bytes) else self.body.size_bytes


@dataclass(frozen=True, slots=True)
class DerivedStatistics:
    """Both parts of the cache. A look-up that finds something in either is a hit."""

    memory: CacheStatistics
    files: ShelfStatistics
    hits: int
    misses: int

    @property
    def hit_rate(self) -> float:
        """Hits over look-ups; 0 where nothing was looked up."""
        lookups = self.hits + self.misses
        return self.hits / lookups if lookups else 0.0


class DerivedCache:
    """Finds and keeps results. Belongs to the event loop."""

    def __init__(self, memory: Cache, shelf: Shelf, disk: DiskThreads) -> None:
        self._memory = memory
        self._shelf = shelf
        self._disk = disk
        self._deletions = 0

    def find_in_memory(self, key: CacheKey) -> Kept | None:
        """Return what memory has; counts as a look-up."""
        return self._memory.get(key)

    @asynccontextmanager
    async def find_in_file(self, key: CacheKey) -> AsyncIterator[Found | None]:
        """Look in the files too, after `find_in_memory` found nothing. A body in a file is open for the block.

        A small one is taken into memory, if there is room for it.
        """
        deletions = self._deletions
        found = await self._shelf.find(key)
        if found is None:
            yield None
            return
        head, body = found
        try:
            data = await self._lifted(body)
            if isinstance(data, bytes) and deletions == self._deletions:
                self._memory.put(key, Kept(head, data))
            yield Found(head, data)
        finally:
            await self._disk.run(os.close, body.fd)

    async def keep(self, key: CacheKey, head: bytes, body: bytes | BodyFile) -> None:
        """Keep a result, as far as there is room for it. A body's file stays its owner's.

        Call it while the item it was made from cannot be deleted: nothing of a deleted item may stay.
        """
        if isinstance(body, bytes) and len(body) <= IN_MEMORY_BYTES:
            self._memory.put(key, Kept(head, body))
        await self._shelf.put(key, head, body)

    async def forget(self, subject: str) -> None:
        """Forget everything that was made from this media item."""
        await self._shelf.forget(subject)
        self._memory.forget(subject)  # after the files: nothing is lifted out of them any more
        self._deletions += 1

    def statistics(self) -> DerivedStatistics:
        """Return the counts; no system call is made."""
        memory, files = self._memory.statistics(), self._shelf.statistics()
        return DerivedStatistics(memory, files, memory.hits + files.hits, memory.misses - files.hits)

    async def _lifted(self, body: BodyFile) -> bytes | BodyFile:
        """Return the bytes of a body that is small enough to be kept in memory."""
        if body.size_bytes > IN_MEMORY_BYTES:
            return body
        return await self._disk.run(os.pread, body.fd, body.size_bytes, 0)
