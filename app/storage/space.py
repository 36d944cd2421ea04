"""The ledger of disk space: bytes are reserved before they are written, so a full disk is noticed at the start."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from app.errors import StorageFull

STEP_BYTES = 16 * 1024 * 1024
"""By how much a reservation of unknown length grows at a time, if there is that much."""


@dataclass(frozen=True, slots=True)
class StorageUsage:
    """Committed items and their bytes, bytes reserved for what is being written, and the quota (None: no quota)."""

    items: int
    stored_bytes: int
    reserved_bytes: int
    quota_bytes: int | None


class DiskSpace:
    """Grants disk space within the quota and above the floor of free space. Lives on the event loop: no locks."""

    def __init__(
        self,
        free_bytes: Callable[[], Awaitable[int]],
        quota_bytes: int | None,
        floor_bytes: int,
        other_bytes: Callable[[], int] = lambda: 0,
    ) -> None:
        """`other_bytes` gives those that count for the quota but were never reserved: files that jobs write."""
        self._free_bytes = free_bytes
        self._quota_bytes = quota_bytes
        self._floor_bytes = floor_bytes
        self._other_bytes = other_bytes
        self._items = 0
        self._stored_bytes = 0
        self._reserved_bytes = 0
        self._unwritten_bytes = 0

    async def reserve(self, declared_bytes: int | None) -> SpaceReservation:
        """Reserve `declared_bytes`; None (unknown) begins with a step and grows as bytes are counted.

        Raises:
            StorageFull: the quota or the floor of free space does not allow it.
        """
        reservation = SpaceReservation(self)
        needed_bytes = 1 if declared_bytes is None else declared_bytes
        await self._grow(reservation, needed_bytes, STEP_BYTES if declared_bytes is None else declared_bytes)
        return reservation

    def restore(self, promised_bytes: int, written_bytes: int) -> SpaceReservation:
        """Restore what an earlier run had promised to a file and written of it; never refused."""
        reservation = SpaceReservation(self)
        reservation.reserved_bytes = max(promised_bytes, written_bytes)
        reservation.written_bytes = written_bytes
        self._reserved_bytes += reservation.reserved_bytes
        self._unwritten_bytes += reservation.reserved_bytes - written_bytes
        return reservation

    def added(self, size_bytes: int, items: int = 1) -> None:
        """Count an item that was committed, or several and their bytes in all."""
        self._stored_bytes += size_bytes
        self._items += items

    def removed(self, size_bytes: int) -> None:
        """Forget an item that was deleted."""
        self._stored_bytes -= size_bytes
        self._items -= 1

    def usage(self) -> StorageUsage:
        return StorageUsage(self._items, self._stored_bytes, self._reserved_bytes, self._quota_bytes)

    async def _grow(self, reservation: SpaceReservation, needed_bytes: int, wanted_bytes: int) -> None:
        left_bytes = await self._free_bytes() - self._floor_bytes - self._unwritten_bytes
        if self._quota_bytes is not None:
            taken_bytes = self._stored_bytes + self._reserved_bytes + self._other_bytes()
            left_bytes = min(left_bytes, self._quota_bytes - taken_bytes)
        if needed_bytes > left_bytes:
            raise StorageFull(
                "There is not enough room for it. Delete something, or raise the quota.",
                neededBytes=needed_bytes,
                freeBytes=max(0, left_bytes),
            )
        granted_bytes = max(needed_bytes, min(wanted_bytes, left_bytes))
        reservation.reserved_bytes += granted_bytes
        self._reserved_bytes += granted_bytes
        self._unwritten_bytes += granted_bytes

    def _wrote(self, size_bytes: int) -> None:
        self._unwritten_bytes -= size_bytes

    def _release(self, reservation: SpaceReservation) -> None:
        self._reserved_bytes -= reservation.reserved_bytes
        self._unwritten_bytes -= reservation.reserved_bytes - reservation.written_bytes


class SpaceReservation:
    """Bytes promised to one file that is being written; made by `DiskSpace.reserve`."""

    def __init__(self, space: DiskSpace) -> None:
        self._space = space
        self._held = True
        self.reserved_bytes = 0
        self.written_bytes = 0

    async def count(self, size_bytes: int) -> None:
        """Count bytes on their way to the disk, and reserve more if they were not promised.

        Raises:
            StorageFull: there is no room for them.
        """
        missing_bytes = self.written_bytes + size_bytes - self.reserved_bytes
        if missing_bytes > 0:
            await self._space._grow(self, missing_bytes, max(missing_bytes, STEP_BYTES))
        self.written_bytes += size_bytes
        self._space._wrote(size_bytes)

    async def promise(self, size_bytes: int) -> None:
        """Reserve this much in all, now that it is known.

        Raises:
            StorageFull: there is no room for it.
        """
        missing_bytes = size_bytes - self.reserved_bytes
        if missing_bytes > 0:
            await self._space._grow(self, missing_bytes, missing_bytes)

    def uncount(self, size_bytes: int) -> None:
        """Take back what was counted, for bytes that were cut off again. They stay promised."""
        self.written_bytes -= size_bytes
        self._space._wrote(-size_bytes)

    def release(self) -> None:
        """Give back what was promised; a second call does nothing."""
        if self._held:
            self._held = False
            self._space._release(self)
