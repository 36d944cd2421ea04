"""The cache's part in memory: what is cheap to keep and expensive to make; the least recently used is evicted first.

Its bytes are in the ledger. It never waits for memory: what does not fit is not kept, and it gives way to anybody who
needs the bytes. Behind it are files (`app/derived`).
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import NamedTuple

from app.domain.priority import Priority
from app.memory.budget import MemoryBudget
from app.memory.reservation import Reservation

_ENTRY_BYTES = 700
"""What an entry takes beside its bytes: key, places in the dictionaries, object headers (tracemalloc: 504 to 681)."""


class CacheKey(NamedTuple):
    """`source`: who made it, such as `images`. `subject`: the media id of what it was made from, empty for none.

    `name` is a digest (hexadecimal) of all that the result depends on: parameters, and the version of what made it.
    `also` is a second media item that it was made of, such as a watermark: the result goes with either.
    """

    source: str
    subject: str
    name: str
    also: str = ""

    @property
    def subjects(self) -> tuple[str, ...]:
        return tuple(filter(None, (self.subject, self.also)))


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept under one key: `head` is for whoever made it (JSON), `body` is the result itself."""

    head: bytes
    body: bytes

    @property
    def size_bytes(self) -> int:
        return len(self.head) + len(self.body)


@dataclass(slots=True)
class SourceUsage:
    """How many entries a source has, and the bytes in them."""

    entries: int = 0
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class CacheStatistics:
    """`limit_bytes` is the limit in force now: the pressure lowers it. `by_source`: of what is kept now."""

    entries: int
    size_bytes: int
    limit_bytes: int
    hits: int
    misses: int
    evictions: int
    by_source: dict[str, SourceUsage]


class Cache:
    """Keeps bytes by key, at most `limit_bytes` of them. Belongs to the event loop."""

    def __init__(self, limit_bytes: int, budget: MemoryBudget) -> None:
        self._limit_bytes = limit_bytes
        self._budget = budget
        self._share = 1.0
        self._entries: OrderedDict[CacheKey, Kept] = OrderedDict()
        self._by_subject: dict[str, set[CacheKey]] = {}
        self._by_source: dict[str, SourceUsage] = {}
        self._holder: Reservation | None = None
        self._size_bytes = 0
        self._hits = 0
        self._misses = 0
        self._evictions = 0

    def get(self, key: CacheKey) -> Kept | None:
        """Return what is kept under `key`, and count the hit or miss."""
        kept = self._entries.get(key)
        if kept is None:
            self._misses += 1
            return None
        self._hits += 1
        self._entries.move_to_end(key)
        return kept

    def put(self, key: CacheKey, kept: Kept) -> bool:
        """Keep it if there is room for it, evicting what was not used for longest; return whether it is kept."""
        self.discard(key)
        needed_bytes = kept.size_bytes + _ENTRY_BYTES
        limit_bytes = self._present_limit_bytes
        if needed_bytes > limit_bytes:
            return False
        self.evict(self._size_bytes + needed_bytes - limit_bytes)
        if not self._reserve(needed_bytes):
            return False
        self._entries[key] = kept
        self._size_bytes += needed_bytes
        for subject in key.subjects:
            self._by_subject.setdefault(subject, set()).add(key)
        usage = self._by_source.setdefault(key.source, SourceUsage())
        usage.entries += 1
        usage.size_bytes += needed_bytes
        return True

    def discard(self, key: CacheKey) -> None:
        """Forget `key`, if it is kept."""
        if key in self._entries:
            self._give_back(self._forget(key))

    def forget(self, subject: str) -> None:
        """Forget everything that was made from this media item."""
        for key in tuple(self._by_subject.get(subject, ())):
            self.discard(key)

    def evict(self, wanted_bytes: int | None = None) -> int:
        """Forget the least recently used until `wanted_bytes` are free (None: everything); return how many were."""
        freed_bytes = 0
        while self._entries and (wanted_bytes is None or freed_bytes < wanted_bytes):
            freed_bytes += self._forget(next(iter(self._entries)))
            self._evictions += 1
        self._give_back(freed_bytes)
        return freed_bytes

    def limit_to(self, share: float) -> None:
        """Keep at most this share of the limit from now on."""
        self._share = share
        self.evict(self._size_bytes - self._present_limit_bytes)

    def close(self) -> None:
        """Forget everything."""
        self.evict()
        if self._holder is not None:
            self._holder.release()
            self._holder = None

    def statistics(self) -> CacheStatistics:
        return CacheStatistics(
            entries=len(self._entries),
            size_bytes=self._size_bytes,
            limit_bytes=self._present_limit_bytes,
            hits=self._hits,
            misses=self._misses,
            evictions=self._evictions,
            by_source={name: SourceUsage(one.entries, one.size_bytes) for name, one in self._by_source.items()},
        )

    @property
    def _present_limit_bytes(self) -> int:
        return int(self._limit_bytes * self._share)

    def _forget(self, key: CacheKey) -> int:
        """Take an entry out and return its bytes, which are still to be given back."""
        nbytes = self._entries.pop(key).size_bytes + _ENTRY_BYTES
        for subject in key.subjects:
            keys = self._by_subject.get(subject, set())
            keys.discard(key)
            if not keys:
                self._by_subject.pop(subject, None)
        usage = self._by_source[key.source]
        usage.entries -= 1
        usage.size_bytes -= nbytes
        return nbytes

    def _reserve(self, nbytes: int) -> bool:
        if self._holder is None:
            self._holder = self._budget.try_reserve({"entries": nbytes}, owner="cache", priority=Priority.BATCH)
            return self._holder is not None
        return self._holder.grow({"entries": nbytes})

    def _give_back(self, nbytes: int) -> None:
        if nbytes and self._holder is not None:
            self._size_bytes -= nbytes
            self._holder.shrink({"entries": nbytes})
