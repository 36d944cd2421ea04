"""The budget: every byte that is going to be used is reserved here first."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Hashable, Mapping
from dataclasses import dataclass

from app.domain.histogram import Histogram
from app.domain.priority import Priority
from app.memory.admission import Admission
from app.memory.convoy import Convoy, Load
from app.memory.ledger import Holder, Ledger
from app.memory.reservation import PendingReservation, Reservation
from app.memory.wait_policy import WaitPolicy


@dataclass(frozen=True, slots=True)
class HolderStatistics:
    owner: str
    reserved_bytes: int
    resident_bytes: int
    age_seconds: float
    is_permanent: bool


@dataclass(frozen=True, slots=True)
class BudgetStatistics:
    """The ledger at one moment.

    `promised_bytes` are reserved and not seen yet. `shed_total` counts refusals by reason (`timeout`, `closed`,
    `queue_full`, `memory_exceeds_limit`), `waiting_by_client` the waiters of each client. `draining` says that nothing
    is granted until the head of the line has its bytes.
    """

    total_bytes: int
    limit_bytes: int
    reserved_bytes: int
    promised_bytes: int
    free_bytes: int
    waiting: int
    waiting_bytes: int
    waiting_by_client: Mapping[str, int]
    granted_total: int
    shed_total: Mapping[str, int]
    cancelled_total: int
    leaked_total: int
    draining: bool
    closed: frozenset[Priority]
    holders: tuple[HolderStatistics, ...]


class MemoryBudget:
    """Promises bytes to work before it starts (who is next: `queue`; who may pass whom: `backfill`).

    `working_set` returns the last sampled working set in bytes; call `refresh()` after each sample. `on_shortage` is
    told how many bytes the next waiter lacks, so that idle holders give way (at most every 250 ms). It belongs to one
    event loop and is not thread-safe.
    """

    def __init__(
        self,
        total_bytes: int,
        *,
        working_set: Callable[[], int],
        waiting: WaitPolicy | None = None,
        on_shortage: Callable[[int], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ledger = Ledger(total_bytes, working_set, clock)
        self._admission = Admission(self._ledger, waiting or WaitPolicy(), on_shortage)

    @property
    def total_bytes(self) -> int:
        return self._ledger.total_bytes

    @property
    def limit_bytes(self) -> int:
        """The largest grant that can ever be made: the budget without what permanent holders were entered with."""
        return self._ledger.limit_bytes

    @property
    def reserved_bytes(self) -> int:
        return self._ledger.reserved_bytes

    @property
    def free_bytes(self) -> int:
        """What could be granted now; negative when the working set has outgrown the budget."""
        return self._ledger.free_bytes

    @property
    def missing_bytes(self) -> int | None:
        """What the waiter who is next lacks; None where nobody waits whose class is open."""
        waiter = self._admission.next
        return None if waiter is None else max(0, waiter.nbytes - self.free_bytes)

    @property
    def next_lease(self) -> Hashable | None:
        """The lease of the waiter who is next; None where nobody waits, or several wait for one grant."""
        waiter = self._admission.next
        return None if waiter is None else waiter.holder.lease

    @property
    def next_batch_bytes(self) -> int:
        """What the waiter who is next is to be granted, if it is of the class BATCH; else 0."""
        waiter = self._admission.next
        return waiter.nbytes if waiter is not None and waiter.priority is Priority.BATCH else 0

    def notify_waiting(self, listener: Callable[[], None]) -> None:
        """Have a listener called each time that the waiter who is next is found to lack bytes; it must be quick."""
        self._admission.on_wait = listener

    def hold_for_next(self) -> None:
        """Keep what is freed now for the waiter who is next: it was freed for it (a bounded time; see `backfill`)."""
        self._admission.backfill.hold()

    def reserve(
        self,
        parts: Mapping[str, int],
        *,
        owner: str,
        priority: Priority,
        client: str = "",
        wait_seconds: float | None = None,
        lease: Hashable | None = None,
    ) -> PendingReservation:
        """Reserve all parts in one grant: `async with budget.reserve(...) as reservation`.

        Who holds a reservation made here must not wait for a second one: it would keep bytes from those who could
        finish. Ask for everything at once, use `grow` or `try_reserve`, or release first. "Who" is the `lease`:
        anything hashable that stands for one piece of work wherever parts of it run, such as "job:17/step:3"; None is
        the task that enters.

        Raises (on entering):
            MemoryExceedsLimit: it could never fit (`neededBytes`, `limitBytes`).
            Overloaded: it did not fit in time, or its class is closed (`neededBytes`, `freeBytes`, Retry-After).
            QueueFull: too many wait (the same numbers).
            RuntimeError: the lease holds a reservation already, or waits for one.
        """
        holder = Holder(owner, priority, dict(parts), lease=lease)
        return PendingReservation(self._admission, holder, client, wait_seconds)

    def convoy(self, parts: Mapping[str, int], *, owner: str, load: Load) -> Convoy:
        """Have several wait together for one grant of all parts, and for `load`, which is called with it.

        `load` runs once, in a task of its own, and the reservation is its own: it releases it, or hands it on to
        whoever holds what was loaded, also where it raises.
        """
        return Convoy(self._admission, Holder(owner, Priority.BATCH, dict(parts)), load)

    def try_reserve(self, parts: Mapping[str, int], *, owner: str, priority: Priority) -> Reservation | None:
        """Reserve all parts if they are free now and nobody is owed them; never waits."""
        holder, admission = Holder(owner, priority, dict(parts)), self._admission
        if priority in admission.closed or not admission.take(holder.reserved_bytes, priority):
            return None
        return self._enter(holder)

    def hold(self, parts: Mapping[str, int], *, owner: str, priority: Priority = Priority.LIVE) -> Reservation:
        """Enter a permanent holder, such as the base line of the API process; never waits and may exceed the budget.

        What it is entered with is out of reach for ever: it lowers `limit_bytes`, and waiters that can no longer fit
        are shed. What it grows by is not: who needs that much waits for it, and is not told that it can never be.
        """
        reservation = self._enter(Holder(owner, priority, dict(parts), is_permanent=True))
        self._admission.shed_unservable()
        return reservation

    def record(self, parts: Mapping[str, int], *, owner: str, priority: Priority = Priority.LIVE) -> Reservation:
        """Enter what is there already and came without a grant, such as a child restarted in the middle of a call.

        Never waits and may exceed the budget; unlike what `hold` enters, it is not there for ever.
        """
        return self._enter(Holder(owner, priority, dict(parts)))

    def set_closed(self, priorities: Collection[Priority]) -> None:
        """Close these classes and open all others: a closed BATCH waits on, LIVE and REQUEST are shed at once."""
        self._admission.close(priorities)

    @property
    def waits(self) -> Mapping[Priority, Histogram]:
        """How long those waited who had to, in seconds."""
        return self._admission.waits

    def set_total(self, total_bytes: int) -> None:
        """Follow a limit that has changed: waiters that can no longer fit are shed, those that fit now are served."""
        self._ledger.total_bytes = total_bytes
        self._admission.shed_unservable()

    def refresh(self) -> None:
        """Look at the waiters again; call it when a new sample has been recorded."""
        self._admission.collect_lost()
        self._admission.dispatch()

    def statistics(self) -> BudgetStatistics:
        """Return what the ledger knows: no wait, no system call."""
        ledger, admission = self._ledger, self._admission
        now = ledger.clock()
        return BudgetStatistics(
            total_bytes=ledger.total_bytes,
            limit_bytes=ledger.limit_bytes,
            reserved_bytes=ledger.reserved_bytes,
            promised_bytes=ledger.promised_bytes,
            free_bytes=ledger.free_bytes,
            waiting=admission.waiting,
            waiting_bytes=admission.waiting_bytes,
            waiting_by_client=admission.waiting_by_client(),
            granted_total=admission.granted_total,
            shed_total=dict(admission.refusals.totals),
            cancelled_total=admission.cancelled_total,
            leaked_total=admission.leaked_total,
            draining=admission.backfill.draining,
            closed=admission.closed,
            holders=tuple(
                HolderStatistics(h.owner, h.reserved_bytes, h.resident_bytes, now - h.since, h.is_permanent)
                for h in ledger.holders
            ),
        )

    def check_empty(self) -> None:
        """Assert that nothing is reserved but by permanent holders, and that nobody waits.

        Raises:
            AssertionError: something is left, with the owners.
        """
        self._admission.collect_lost()
        left = [f"{h.owner}: {h.reserved_bytes}" for h in self._ledger.holders if not h.is_permanent]
        waiting, leaked = self._admission.waiting, self._admission.leaked_total
        if left or waiting or leaked:
            raise AssertionError(f"left: {left}, waiting: {waiting}, leaked: {leaked}")

    def _enter(self, holder: Holder) -> Reservation:
        self._admission.enter(holder)
        return Reservation(self._admission, holder)
