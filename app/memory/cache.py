"""The one cache: answers that are cheap to keep and expensive to make; the least recently used is evicted first.

Its bytes are in the ledger. It never waits for memory: what does not fit is not kept, and it gives way to anybody who
needs the bytes.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from app.domain.priority import Priority
from app.memory.budget import MemoryBudget
from app.memory.reservation import Reservation

_ENTRY_BYTES = 400
"""What an entry takes beside its value: key, two dictionary slots, object headers (measured with tracemalloc)."""


@dataclass(frozen=True, slots=True)
class CacheStatistics:
    """`limit_bytes` is the limit in force now: the pressure lowers it."""

    entries: int
    size_bytes: int
    limit_bytes: int
    hits: int
    misses: int
    evictions: int

    @property
    def hit_rate(self) -> float:
        """Hits over look-ups; 0 where nothing was looked up."""
        lookups = self.hits + self.misses
        return self.hits / lookups if lookups else 0.0


class Cache:
    """Keeps bytes by key, at most `limit_bytes` of them. Belongs to the event loop."""

    def __init__(self, limit_bytes: int, budget: MemoryBudget) -> None:
        self._limit_bytes = limit_bytes
        self._budget = budget
        self._share = 1.0
        self._entries: OrderedDict[str, bytes] = OrderedDict()
        self._holder: Reservation | None = None
        self._size_bytes = 0
        self._hits = 0
        self._misses = 0
        self._evictions = 0

    def get(self, key: str) -> bytes | None:
        """Return what is kept under `key`, and count the hit or miss."""
        value = self._entries.get(key)
        if value is None:
            self._misses += 1
            return None
        self._hits += 1
        self._entries.move_to_end(key)
        return value

    def put(self, key: str, value: bytes) -> bool:
        """Keep `value` if there is room for it, evicting what was not used for longest; return whether it is kept."""
        self.discard(key)
        needed_bytes = len(value) + _ENTRY_BYTES
        limit_bytes = self._present_limit_bytes
        if needed_bytes > limit_bytes:
            return False
        self.evict(self._size_bytes + needed_bytes - limit_bytes)
        if not self._reserve(needed_bytes):
            return False
        self._entries[key] = value
        self._size_bytes += needed_bytes
        return True

    def discard(self, key: str) -> None:
        """Forget `key`, if it is kept."""
        value = self._entries.pop(key, None)
        if value is not None:
            self._give_back(len(value) + _ENTRY_BYTES)

    def evict(self, wanted_bytes: int | None = None) -> int:
        """Forget the least recently used until `wanted_bytes` are free (None: everything); return how many were."""
        freed_bytes = 0
        while self._entries and (wanted_bytes is None or freed_bytes < wanted_bytes):
            _, value = self._entries.popitem(last=False)
            freed_bytes += len(value) + _ENTRY_BYTES
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
        )

    @property
    def _present_limit_bytes(self) -> int:
        return int(self._limit_bytes * self._share)

    def _reserve(self, nbytes: int) -> bool:
        if self._holder is None:
            self._holder = self._budget.try_reserve({"entries": nbytes}, owner="cache", priority=Priority.BATCH)
            return self._holder is not None
        return self._holder.grow({"entries": nbytes})

    def _give_back(self, nbytes: int) -> None:
        if nbytes and self._holder is not None:
            self._size_bytes -= nbytes
            self._holder.shrink({"entries": nbytes})
