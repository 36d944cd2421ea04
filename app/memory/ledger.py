"""The ledger: what every holder was promised, what was seen of it, and the sums of both."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from app.domain.priority import Priority


class Holder:
    """One entry of the ledger. `reserved_bytes` is the sum of `parts`; `since` is the clock at the grant."""

    __slots__ = (
        "is_open",
        "is_permanent",
        "owner",
        "parts",
        "priority",
        "reserved_bytes",
        "resident_bytes",
        "since",
        "task",
    )

    def __init__(self, owner: str, priority: Priority, parts: dict[str, int]) -> None:
        self.owner = owner
        self.priority = priority
        self.parts = parts
        self.reserved_bytes = sum(parts.values())
        self.resident_bytes = 0
        self.since = 0.0
        self.is_open = True
        self.is_permanent = False
        self.task: asyncio.Task[object] | None = None

    @property
    def promised_bytes(self) -> int:
        """Bytes that were promised and have not been seen yet."""
        return max(0, self.reserved_bytes - self.resident_bytes)


class Ledger:
    """Every holder, and their sums, kept up to date change by change so that a grant costs the same at any length."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.holders: dict[Holder, None] = {}
        self.reserved_bytes = 0
        self.promised_bytes = 0
        self.permanent_bytes = 0

    def open(self, holder: Holder) -> None:
        self.holders[holder] = None
        self._count(holder, holder.reserved_bytes, holder.promised_bytes)

    def close(self, holder: Holder) -> None:
        del self.holders[holder]
        self._count(holder, -holder.reserved_bytes, -holder.promised_bytes)
        holder.is_open = False
        holder.task = None
        holder.reserved_bytes = holder.resident_bytes = 0
        holder.parts.clear()

    def update(self, holder: Holder, reserved_bytes: int, resident_bytes: int) -> None:
        """Set both numbers of an open holder."""
        promised = holder.promised_bytes
        change = reserved_bytes - holder.reserved_bytes
        holder.reserved_bytes, holder.resident_bytes = reserved_bytes, resident_bytes
        self._count(holder, change, holder.promised_bytes - promised)

    def young_bytes(self, age_seconds: float) -> tuple[int, int]:
        """Return what holders younger than that have reserved, and what of it is promised: it should come back soon."""
        born = self.clock() - age_seconds
        young = [holder for holder in self.holders if holder.since > born and not holder.is_permanent]
        return sum(holder.reserved_bytes for holder in young), sum(holder.promised_bytes for holder in young)

    def _count(self, holder: Holder, reserved_bytes: int, promised_bytes: int) -> None:
        self.reserved_bytes += reserved_bytes
        self.promised_bytes += promised_bytes
        if holder.is_permanent:
            self.permanent_bytes += reserved_bytes
