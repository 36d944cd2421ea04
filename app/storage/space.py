"""The ledger of disk space: bytes are reserved before they are written, so a full disk is noticed at the start.

What is promised ahead of the bytes that came, and what waits in spools, is *passing*: it is given back by itself. Of
the room that there would be without it, one client gets a share: nobody takes the disk by promising to send, or by not
reading. What has been written of an upload is the client's to keep, as an item would be: quota and floor bound that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from app.errors import StorageFull

STEP_BYTES = 16 * 1024 * 1024
"""By how much a reservation of unknown length grows at most, if there is that much."""

LEAST_STEP_BYTES = 64 * 1024
"""By how much it grows at first; then by as much as was written: who sends little is promised little."""

_NO_ROOM = "There is not enough room for it. Delete something, or raise the quota."
_SHARE_IS_USED = (
    "What waits for you on the disk has used your share of the room: read your answers, or send less at once."
)


@dataclass(frozen=True, slots=True)
class StorageUsage:
    """Committed items and their bytes, bytes reserved for what is being written, and the quota (None: no quota).

    `cached_bytes` are in files that give way to all others.
    """

    items: int
    stored_bytes: int
    reserved_bytes: int
    quota_bytes: int | None
    cached_bytes: int


class DiskSpace:
    """Grants disk space within the quota and above the floor of free space. Lives on the event loop: no locks."""

    def __init__(
        self,
        free_bytes: Callable[[], Awaitable[int]],
        quota_bytes: int | None,
        floor_bytes: int,
        other_bytes: Callable[[], int] = lambda: 0,
        client_share: float = 1.0,
    ) -> None:
        """`other_bytes` gives those that count for the quota but were never reserved: files that jobs write.

        `client_share` is the part of the room that one client's passing bytes may take.
        """
        self._free_bytes = free_bytes
        self._quota_bytes = quota_bytes
        self._floor_bytes = floor_bytes
        self._other_bytes = other_bytes
        self._client_share = client_share
        self._items = 0
        self._stored_bytes = 0
        self._reserved_bytes = 0
        self._unwritten_bytes = 0
        self._cached_bytes = 0
        self._give_way: Callable[[int], Awaitable[object]] | None = None
        self._passing: Counter[str] = Counter()

    async def reserve(self, declared_bytes: int | None, client: str = "") -> SpaceReservation:
        """Reserve room for a file of `declared_bytes`, as far as the client's share goes; the rest as bytes come.

        None (unknown) begins with a step. `client` is empty for the service itself, which has no share to keep to.

        Raises:
            StorageFull: the quota or the floor of free space does not allow it.
        """
        reservation = SpaceReservation(self, client, declared_bytes or 0)
        needed_bytes = 1 if declared_bytes is None else declared_bytes
        left_bytes = await self._left_bytes(needed_bytes)
        _refuse_beyond(needed_bytes, left_bytes)
        if declared_bytes != 0:
            self._grant(reservation, 1, left_bytes)
        return reservation

    def spool(self, client: str) -> SpaceReservation:
        """Return a reservation of nothing yet for a file that only waits to be read: all of it is passing."""
        return SpaceReservation(self, client, is_spool=True)

    def open(self, client: str) -> SpaceReservation:
        """Return a reservation of nothing yet, which grows in steps as bytes are counted."""
        return SpaceReservation(self, client)

    def restore(self, written_bytes: int, client: str = "") -> SpaceReservation:
        """Restore what an earlier run had written of a file; never refused."""
        reservation = SpaceReservation(self, client)
        self._change(reservation, written_bytes, written_bytes)
        return reservation

    async def check(self, size_bytes: int) -> None:
        """Make sure that a file of this size would fit now; nothing is reserved.

        Raises:
            StorageFull: it would not.
        """
        _refuse_beyond(size_bytes, await self._left_bytes(size_bytes))

    def added(self, size_bytes: int, items: int = 1) -> None:
        """Count an item that was committed, or several and their bytes in all."""
        self._stored_bytes += size_bytes
        self._items += items

    def removed(self, size_bytes: int) -> None:
        """Forget an item that was deleted."""
        self._stored_bytes -= size_bytes
        self._items -= 1

    def cached(self, size_bytes: int) -> None:
        """Count bytes that came into the cache's files, or (negative) went."""
        self._cached_bytes += size_bytes

    def let_give_way(self, give_way: Callable[[int], Awaitable[object]]) -> None:
        """Have this called with the bytes that are missing before anything is refused: the cache removes files."""
        self._give_way = give_way

    def usage(self) -> StorageUsage:
        return StorageUsage(
            self._items, self._stored_bytes, self._reserved_bytes, self._quota_bytes, self._cached_bytes
        )

    async def _left_bytes(self, needed_bytes: int) -> int:
        """Return what is left; where that is less than `needed_bytes`, the cache gives way if that helps."""
        left_bytes = await self._look()
        missing_bytes = needed_bytes - left_bytes
        if self._give_way is not None and 0 < missing_bytes <= self._cached_bytes:
            await self._give_way(missing_bytes)
            left_bytes = await self._look()
        return left_bytes

    async def _look(self) -> int:
        left_bytes = await self._free_bytes() - self._floor_bytes - self._unwritten_bytes
        if self._quota_bytes is not None:
            taken_bytes = self._stored_bytes + self._reserved_bytes + self._cached_bytes + self._other_bytes()
            left_bytes = min(left_bytes, self._quota_bytes - taken_bytes)
        return left_bytes

    async def _grow(self, reservation: SpaceReservation, needed_bytes: int) -> None:
        self._grant(reservation, needed_bytes, await self._left_bytes(needed_bytes))

    def _grant(self, reservation: SpaceReservation, needed_bytes: int, left_bytes: int) -> None:
        """Reserve `needed_bytes` more, and what is wanted beyond them as far as the client's share goes."""
        share_bytes = left_bytes
        if reservation.client:
            room_bytes = left_bytes + self._passing.total()
            share_bytes = int(room_bytes * self._client_share) - self._passing[reservation.client]
        _refuse_beyond(needed_bytes, left_bytes)
        if reservation.is_spool:
            _refuse_beyond(needed_bytes, share_bytes, _SHARE_IS_USED)
        granted_bytes = max(needed_bytes, min(reservation.wanted_bytes, left_bytes, share_bytes))
        self._change(reservation, granted_bytes, 0)

    def _change(self, reservation: SpaceReservation, reserved_bytes: int, written_bytes: int) -> None:
        """Change what is reserved and what is written of it, and the sums with it."""
        passing_bytes = reservation.passing_bytes
        reservation.reserved_bytes += reserved_bytes
        reservation.written_bytes += written_bytes
        self._reserved_bytes += reserved_bytes
        self._unwritten_bytes += reserved_bytes - written_bytes
        self._passing[reservation.client] += reservation.passing_bytes - passing_bytes
        if not self._passing[reservation.client]:
            del self._passing[reservation.client]


class SpaceReservation:
    """Bytes promised to one file that is being written; made by `DiskSpace`."""

    def __init__(self, space: DiskSpace, client: str, declared_bytes: int = 0, *, is_spool: bool = False) -> None:
        self._space = space
        self._declared_bytes = declared_bytes
        self._held = True
        self.client = client
        self.is_spool = is_spool
        self.reserved_bytes = 0
        self.written_bytes = 0

    @property
    def passing_bytes(self) -> int:
        """What will be given back by itself: see the head of the module."""
        return self.reserved_bytes - (0 if self.is_spool else self.written_bytes)

    @property
    def wanted_bytes(self) -> int:
        """What to reserve at a time: all that was declared, else a step."""
        step_bytes = min(STEP_BYTES, max(LEAST_STEP_BYTES, self.written_bytes))
        return max(self._declared_bytes - self.reserved_bytes, 0) or step_bytes

    async def count(self, size_bytes: int) -> None:
        """Count bytes on their way to the disk, and reserve more if they were not promised.

        Raises:
            StorageFull: there is no room for them.
        """
        missing_bytes = self.written_bytes + size_bytes - self.reserved_bytes
        if missing_bytes > 0:
            await self._space._grow(self, missing_bytes)
        self._space._change(self, 0, size_bytes)

    async def promise(self, size_bytes: int) -> None:
        """Reserve this much in all, whatever the client's share, for bytes that are there already.

        Raises:
            StorageFull: there is no room for it.
        """
        missing_bytes = size_bytes - self.reserved_bytes
        if missing_bytes > 0:
            await self._space.check(missing_bytes)
            self._space._change(self, missing_bytes, 0)

    def uncount(self, size_bytes: int) -> None:
        """Take back what was counted, for bytes that were cut off again. They stay promised."""
        self._space._change(self, 0, -size_bytes)

    def give_back(self, size_bytes: int) -> None:
        """Give back so many bytes of what was promised and not written, or all of them where they are fewer."""
        self._space._change(self, -min(size_bytes, self.reserved_bytes - self.written_bytes), 0)

    def settle(self) -> None:
        """Give back what was promised and not written: nothing more comes for now."""
        self._space._change(self, self.written_bytes - self.reserved_bytes, 0)

    def release(self) -> None:
        """Give back everything; a second call does nothing."""
        if self._held:
            self._held = False
            self._space._change(self, -self.reserved_bytes, -self.written_bytes)


def _refuse_beyond(needed_bytes: int, left_bytes: int, detail: str = _NO_ROOM) -> None:
    if needed_bytes > left_bytes:
        raise StorageFull(detail, neededBytes=needed_bytes, freeBytes=max(0, left_bytes))
