"""The budget: every byte that is going to be used is reserved here first."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from app.domain.priority import Priority
from app.memory.admission import Admission
from app.memory.ledger import Holder
from app.memory.reservation import Reservation, count_bytes
from app.memory.reserving import Reserving


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
    is granted until the waiter whose turn it is has its bytes.
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
    """Promises bytes to work before it starts (the rule of a grant: `admission`; the order: `queue` and `turn`).

    `working_set` answers the last sampled working set in bytes; call `refresh()` after each sample. `weights` are the
    shares of LIVE, REQUEST and BATCH in the bytes granted while all of them wait. At most `max_waiting` wait, each for
    at most `wait_seconds` unless it says otherwise. `on_shortage` is told how many bytes the next waiter lacks, so
    that idle holders give way (at most every 250 ms). It belongs to one event loop and is not thread-safe.
    """

    def __init__(
        self,
        total_bytes: int,
        *,
        working_set: Callable[[], int],
        max_waiting: int = 256,
        wait_seconds: float = 10.0,
        weights: tuple[float, float, float] = (70, 25, 5),
        overtake_seconds: float = 2.0,
        on_shortage: Callable[[int], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wait_seconds = wait_seconds
        self._clock = clock
        self._admission = Admission(
            total_bytes,
            working_set=working_set,
            max_waiting=max_waiting,
            wait_seconds=wait_seconds,
            weights=dict(zip(Priority, weights, strict=True)),
            overtake_seconds=overtake_seconds,
            on_shortage=on_shortage,
            clock=clock,
        )

    @property
    def total_bytes(self) -> int:
        return self._admission.total_bytes

    @property
    def limit_bytes(self) -> int:
        """The largest grant that can ever be made: the budget without its permanent holders."""
        return self._admission.limit_bytes

    @property
    def reserved_bytes(self) -> int:
        return self._admission.ledger.reserved_bytes

    @property
    def free_bytes(self) -> int:
        """What could be granted now; negative when the working set has outgrown the budget."""
        return self._admission.free_bytes

    def reserve(
        self,
        parts: Mapping[str, int],
        *,
        owner: str,
        priority: Priority,
        client: str = "",
        wait_seconds: float | None = None,
    ) -> Reserving:
        """Reserve all parts in one grant: `async with budget.reserve(...) as reservation`.

        A task that holds a reservation made here must not wait for a second one: it would keep bytes from those who
        could finish. Ask for everything at once, use `grow` or `try_reserve`, or release first.

        Raises (on entering):
            MemoryExceedsLimit: it could never fit (`neededBytes`, `limitBytes`).
            Overloaded: it did not fit in time, or its class is closed (`neededBytes`, `freeBytes`, Retry-After).
            QueueFull: too many wait (the same numbers).
            RuntimeError: the task holds a reservation already.
        """
        waits = self._wait_seconds if wait_seconds is None else wait_seconds
        count_bytes(parts)
        return Reserving(self._admission, Holder(owner, priority, dict(parts)), client, waits)

    def try_reserve(self, parts: Mapping[str, int], *, owner: str, priority: Priority) -> Reservation | None:
        """Reserve all parts if they are free now and nobody is owed them; never waits."""
        nbytes = count_bytes(parts)
        admission = self._admission
        if priority in admission.closed or not admission.take(nbytes, priority):
            return None
        return admission.grant(Holder(owner, priority, dict(parts)))

    def hold(self, parts: Mapping[str, int], *, owner: str, priority: Priority = Priority.LIVE) -> Reservation:
        """Enter a permanent holder, such as the base line of the API process; never waits and may exceed the budget.

        What it holds is out of reach for ever: it lowers `limit_bytes`, and waiters that can no longer fit are shed.
        """
        count_bytes(parts)
        holder = Holder(owner, priority, dict(parts))
        holder.is_permanent = True
        reservation = self._admission.grant(holder)
        self._admission.refuse_impossible()
        return reservation

    def record(self, parts: Mapping[str, int], *, owner: str, priority: Priority = Priority.LIVE) -> Reservation:
        """Enter what is there already and came without a grant, such as a child restarted in the middle of a call.

        Never waits and may exceed the budget; unlike what `hold` enters, it is not there for ever.
        """
        count_bytes(parts)
        return self._admission.grant(Holder(owner, priority, dict(parts)))

    def set_closed(self, priorities: Collection[Priority]) -> None:
        """Close these classes and open all others: a closed BATCH waits on, LIVE and REQUEST are shed at once."""
        self._admission.close(priorities)

    def set_on_shortage(self, on_shortage: Callable[[int], None] | None) -> None:
        """Change who is told that a waiter lacks bytes."""
        self._admission.shortage.notify = on_shortage

    def refresh(self) -> None:
        """Look at the waiters again; call it when a new sample has been recorded."""
        self._admission.collect_lost()
        self._admission.dispatch()

    def statistics(self) -> BudgetStatistics:
        """Return what the ledger knows: no wait, no system call."""
        admission, ledger, now = self._admission, self._admission.ledger, self._clock()
        return BudgetStatistics(
            total_bytes=admission.total_bytes,
            limit_bytes=admission.limit_bytes,
            reserved_bytes=ledger.reserved_bytes,
            promised_bytes=ledger.promised_bytes,
            free_bytes=admission.free_bytes,
            waiting=len(admission.line),
            waiting_bytes=admission.line.waiting_bytes,
            waiting_by_client=admission.line.by_client(),
            granted_total=admission.granted_total,
            shed_total=dict(admission.refusals.totals),
            cancelled_total=admission.cancelled_total,
            leaked_total=admission.leaked_total,
            draining=admission.turn.draining,
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
        left = [f"{h.owner}: {h.reserved_bytes}" for h in self._admission.ledger.holders if not h.is_permanent]
        waiting = len(self._admission.line)
        if left or waiting or self._admission.leaked_total:
            raise AssertionError(f"left: {left}, waiting: {waiting}, leaked: {self._admission.leaked_total}")
