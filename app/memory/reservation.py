"""The handle of one ledger entry, which its owner keeps: observe, grow, shrink, split, merge, release."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from types import MappingProxyType, TracebackType

from app.domain.priority import Priority
from app.memory.admission import Admission
from app.memory.ledger import Holder, count_bytes

logger = logging.getLogger("ballast.memory")


class Reservation:
    """Bytes promised to one owner, in named parts. They are given back by `release()`.

    Not thread-safe: it belongs to the event loop, as the budget does. One that is dropped without `release()` is
    logged as an error, and its bytes come back at the budget's next `refresh()`.
    """

    __slots__ = ("_admission", "_holder")

    def __init__(self, admission: Admission, holder: Holder) -> None:
        self._admission = admission
        self._holder = holder

    def __repr__(self) -> str:
        return f"<Reservation {self.owner!r} reserved={self.reserved_bytes} resident={self.resident_bytes}>"

    def __del__(self) -> None:
        # The collector may run this in any thread, so the ledger itself is not touched here.
        holder = self._holder
        if holder.is_open:
            logger.error("a reservation of %d bytes by %r was never released", holder.reserved_bytes, holder.owner)
            self._admission.ledger.lost.append(holder)

    @property
    def owner(self) -> str:
        return self._holder.owner

    @property
    def priority(self) -> Priority:
        return self._holder.priority

    @property
    def parts(self) -> Mapping[str, int]:
        """A read-only view of the bytes of each part."""
        return MappingProxyType(self._holder.parts)

    @property
    def reserved_bytes(self) -> int:
        return self._holder.reserved_bytes

    @property
    def resident_bytes(self) -> int:
        return self._holder.resident_bytes

    @property
    def is_released(self) -> bool:
        return not self._holder.is_open

    def observe(self, resident_bytes: int) -> None:
        """Record what the last sample saw of this holder; waiters are looked at once the whole sample is recorded."""
        if self._holder.is_open:
            self._admission.ledger.update(self._holder, self._holder.reserved_bytes, resident_bytes)
            self._admission.observed()

    def grow(self, parts: Mapping[str, int]) -> bool:
        """Take more bytes if they are free and nobody is owed them; never waits. False: nothing was taken."""
        nbytes = count_bytes(parts)
        holder = self._holder
        if not holder.is_open or not self._admission.take(nbytes, holder.priority):
            return False
        for name, size in parts.items():
            holder.parts[name] = holder.parts.get(name, 0) + size
        self._admission.ledger.update(holder, holder.reserved_bytes + nbytes, holder.resident_bytes)
        return True

    def shrink(self, parts: Mapping[str, int] | int) -> None:
        """Give bytes back: so many of each named part, or so many in all, from the largest part on.

        Raises:
            ValueError: more bytes than a part, or than the reservation, has.
        """
        holder = self._holder
        if not holder.is_open:
            return
        wanted = self._largest_first(parts) if isinstance(parts, int) else parts
        nbytes = count_bytes(wanted)
        for name, size in wanted.items():
            if size > holder.parts.get(name, 0):
                raise ValueError(f"{self.owner} has not reserved {size} bytes for {name!r}")
        for name, size in wanted.items():
            if size:
                holder.parts[name] -= size
                if not holder.parts[name]:
                    del holder.parts[name]
        self._admission.ledger.update(holder, holder.reserved_bytes - nbytes, holder.resident_bytes)
        self._admission.freed(nbytes)

    def split(self, names: Iterable[str], *, owner: str | None = None) -> Reservation:
        """Move whole parts to a new holder, which may outlive this one; the sums of the ledger do not change.

        What was seen stays here as far as it is covered by what stays reserved, and goes with the parts beyond that.

        Raises:
            KeyError: a part is not here (or this was released).
        """
        holder, ledger = self._holder, self._admission.ledger
        moved = {name: holder.parts[name] for name in names}
        other = Holder(owner or holder.owner, holder.priority, moved, holder.is_permanent, since=holder.since)
        kept_bytes = holder.reserved_bytes - other.reserved_bytes
        kept_resident = min(holder.resident_bytes, kept_bytes)
        other.resident_bytes = holder.resident_bytes - kept_resident
        for name in moved:
            del holder.parts[name]
        ledger.update(holder, kept_bytes, kept_resident)
        ledger.open(other)
        return Reservation(self._admission, other)

    def merge(self, other: Reservation) -> None:
        """Take over everything that `other` holds; `other` is released by that."""
        if other is self or other.is_released:
            return
        if self.is_released:
            raise ValueError("a released reservation cannot take over another")
        holder, source = self._holder, other._holder
        parts, reserved, resident = dict(source.parts), source.reserved_bytes, source.resident_bytes
        self._admission.ledger.close(source)
        for name, size in parts.items():
            holder.parts[name] = holder.parts.get(name, 0) + size
        self._admission.ledger.update(holder, holder.reserved_bytes + reserved, holder.resident_bytes + resident)
        self._admission.freed(0)

    def release(self) -> None:
        """Give everything back; does nothing the second time."""
        if self._holder.is_open:
            self._admission.freed(self._admission.ledger.close(self._holder))

    def _largest_first(self, nbytes: int) -> dict[str, int]:
        if not 0 <= nbytes <= self.reserved_bytes:
            raise ValueError(f"{self.owner} has not reserved {nbytes} bytes")
        taken: dict[str, int] = {}
        for name, size in sorted(self._holder.parts.items(), key=lambda part: -part[1]):
            taken[name] = min(size, nbytes - sum(taken.values()))
        return taken


class PendingReservation:
    """A reservation before its grant: `async with` waits for it and releases it in the end. It can be entered once."""

    __slots__ = ("_admission", "_client", "_holder", "_reservation", "_wait_seconds")

    def __init__(self, admission: Admission, holder: Holder, client: str, wait_seconds: float | None) -> None:
        self._admission = admission
        self._holder = holder
        self._client = client
        self._wait_seconds = wait_seconds
        self._reservation: Reservation | None = None

    async def __aenter__(self) -> Reservation:
        if self._reservation is not None:
            raise RuntimeError(f"{self._holder.owner}: a reservation can be entered once")
        await self._admission.admit(self._holder, self._client, self._wait_seconds)
        self._reservation = Reservation(self._admission, self._holder)
        return self._reservation

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._reservation is not None:
            self._reservation.release()
