"""The ledger: what every holder was promised, what was seen of it, the sums of both, and what is left to grant."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field

from app.domain.priority import Priority


@dataclass(slots=True, eq=False)
class Holder:
    """One entry of the ledger. `reserved_bytes` is the sum of `parts`; `since` is the clock at the grant.

    `lease` is what it holds under, if it waited for its grant. `lasting_bytes` are what a permanent one was entered
    with: what it grows by comes back some time.

    Raises:
        ValueError: a part is negative.
    """

    owner: str
    priority: Priority
    parts: dict[str, int]
    is_permanent: bool = False
    lease: Hashable | None = None
    is_open: bool = False
    since: float = 0.0
    resident_bytes: int = 0
    reserved_bytes: int = field(init=False)
    lasting_bytes: int = field(init=False)

    def __post_init__(self) -> None:
        self.reserved_bytes = count_bytes(self.parts)
        self.lasting_bytes = self.reserved_bytes if self.is_permanent else 0

    @property
    def promised_bytes(self) -> int:
        """Bytes that were promised and have not been seen yet."""
        return max(0, self.reserved_bytes - self.resident_bytes)


class Ledger:
    """Every holder, and their sums, kept up to date change by change so that a grant costs the same at any length.

    `working_set` returns the last sampled working set in bytes. `leases` are those that wait for bytes, or hold
    what they waited for: such a one may not wait for more.
    `lost` are holders whose handle was dropped without a release: any thread may append to it.
    """

    def __init__(self, total_bytes: int, working_set: Callable[[], int], clock: Callable[[], float]) -> None:
        self.total_bytes = total_bytes
        self.clock = clock
        self.holders: dict[Holder, None] = {}
        self.leases: set[Hashable] = set()
        self.lost: deque[Holder] = deque()
        self.reserved_bytes = 0
        self.promised_bytes = 0
        self.permanent_bytes = 0
        self._working_set = working_set

    @property
    def free_bytes(self) -> int:
        """What may be granted now; negative when the working set has outgrown the budget.

        n bytes fit if reserved + n <= total and working set + promised + n <= total, where *promised* is what was
        reserved and not seen in the last sample: so memory that something outside the ledger took counts as well.
        """
        return self.total_bytes - max(self.reserved_bytes, self._working_set() + self.promised_bytes)

    @property
    def limit_bytes(self) -> int:
        """The largest grant that can ever be made: the budget without what permanent holders were entered with."""
        return max(0, self.total_bytes - self.permanent_bytes)

    def fits_without_young(self, nbytes: int, age_seconds: float) -> bool:
        """Whether so many bytes would fit once the holders younger than that have given back all they reserved."""
        granted_after = self.clock() - age_seconds
        young = [holder for holder in self.holders if holder.since > granted_after and not holder.is_permanent]
        promised_bytes = self.promised_bytes - sum(holder.promised_bytes for holder in young)
        used_bytes = max(self.reserved_bytes, self._working_set() + promised_bytes)
        return used_bytes - sum(holder.reserved_bytes for holder in young) + nbytes <= self.total_bytes

    def take_lease(self, lease: Hashable | None, owner: str) -> Hashable:
        """Have a lease (None: the current task) wait, or hold what it waited for; end it in `leases`.

        Raises:
            RuntimeError: it does already.
        """
        lease = asyncio.current_task() if lease is None else lease
        if lease in self.leases:
            raise RuntimeError(f"{owner}: who holds or waits for a reservation must not wait for another")
        self.leases.add(lease)
        return lease

    def open(self, holder: Holder) -> None:
        holder.is_open = True
        self.holders[holder] = None
        self.permanent_bytes += holder.lasting_bytes
        self._count(holder.reserved_bytes, holder.promised_bytes)

    def close(self, holder: Holder) -> int:
        """Take a holder out; return the bytes that it had reserved."""
        nbytes = holder.reserved_bytes
        del self.holders[holder]
        self.permanent_bytes -= holder.lasting_bytes
        self._count(-nbytes, -holder.promised_bytes)
        self.leases.discard(holder.lease)
        holder.lease = None
        holder.is_open = False
        holder.reserved_bytes = holder.resident_bytes = 0
        holder.parts.clear()
        return nbytes

    def update(self, holder: Holder, reserved_bytes: int, resident_bytes: int) -> None:
        """Set both numbers of an open holder."""
        promised = holder.promised_bytes
        change = reserved_bytes - holder.reserved_bytes
        holder.reserved_bytes, holder.resident_bytes = reserved_bytes, resident_bytes
        self._count(change, holder.promised_bytes - promised)
        returned_bytes = max(0, holder.lasting_bytes - reserved_bytes)
        holder.lasting_bytes -= returned_bytes
        self.permanent_bytes -= returned_bytes

    def _count(self, reserved_bytes: int, promised_bytes: int) -> None:
        self.reserved_bytes += reserved_bytes
        self.promised_bytes += promised_bytes


def count_bytes(parts: Mapping[str, int]) -> int:
    """Return the sum of the parts.

    Raises:
        ValueError: a part is negative.
    """
    total = 0
    for name, size in parts.items():
        if size < 0:
            raise ValueError(f"the part {name!r} is negative: {size} bytes")
        total += size
    return total
