"""Admission: who is granted bytes, and when. Whoever does not fit at once waits in line."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Collection

from app.domain.histogram import Histogram
from app.domain.priority import Priority
from app.errors import BallastError
from app.memory.backfill import Backfill
from app.memory.ledger import Holder, Ledger
from app.memory.queue import WaitingLine
from app.memory.refusal import Refusals
from app.memory.shortage import Shortage
from app.memory.wait_policy import WaitPolicy
from app.memory.waiter import Waiter

logger = logging.getLogger("ballast.memory")


class Admission:
    """Grants bytes to holders, in the order of the line.

    `aboard` are those whose bytes are granted and who wait on, for what is done with them (`convoy`): they count as
    waiters. `on_wait` is called each time that the head of the line is found to lack bytes, `on_shortage` is told how
    many, now and then.
    """

    def __init__(self, ledger: Ledger, policy: WaitPolicy, on_shortage: Callable[[int], None] | None) -> None:
        self.ledger = ledger
        self.policy = policy
        self.line: WaitingLine[Waiter] = WaitingLine(dict(zip(Priority, policy.weights, strict=True)))
        self.aboard: dict[Waiter, None] = {}
        self.backfill = Backfill(ledger, policy.overtake_seconds, self._pass_over)
        self.refusals = Refusals(ledger, lambda: self.waiting_bytes, policy.wait_seconds)
        self.closed: frozenset[Priority] = frozenset()
        self.on_wait: Callable[[], None] = lambda: None
        self.granted_total = 0
        self.waits = {priority: Histogram() for priority in Priority}
        """How long those waited who did, in seconds, whether they were granted or refused."""
        self.cancelled_total = 0
        self.leaked_total = 0
        self._shortage = None if on_shortage is None else Shortage(self._missing_bytes, on_shortage)
        self._is_dispatch_scheduled = False

    @property
    def next(self) -> Waiter | None:
        """Who is next, if anybody waits whose class is open."""
        return self.backfill.head or self.line.head()

    @property
    def waiting(self) -> int:
        return len(self.line) + len(self.aboard)

    @property
    def waiting_bytes(self) -> int:
        """What all who wait in line would be granted: those who wait for the same grant count once."""
        wanted = {waiter.holder: waiter.nbytes for priority in Priority for waiter in self.line.waiters(priority)}
        return sum(wanted.values())

    def waiting_by_client(self) -> dict[str, int]:
        counts = Counter(self.line.by_client())
        counts.update(waiter.client for waiter in self.aboard)
        return counts

    async def admit(self, holder: Holder, client: str, wait_seconds: float | None) -> None:
        """Grant a holder its bytes: at once if nobody waits and they are free, else after waiting in line.

        Raises:
            MemoryExceedsLimit: it can never fit, or no more since a permanent holder was entered.
            Overloaded: the time was over, or the class is closed.
            QueueFull: the line is full, and this is the last waiter of the client that has most in it.
            RuntimeError: the lease (None: the current task) holds a reservation already, or waits for one.
        """
        holder.lease = self.ledger.take_lease(holder.lease, holder.owner)
        try:
            await self._admit(holder, client, wait_seconds)
        except BaseException:
            if holder.is_open:  # cancelled in the moment of the grant
                self.freed(self.ledger.close(holder))
            else:
                self.ledger.leases.discard(holder.lease)
            raise

    def enter(self, holder: Holder) -> None:
        """Enter a holder into the ledger, without asking whether it fits."""
        holder.since = self.ledger.clock()
        self.ledger.open(holder)
        self.granted_total += 1

    def take(self, nbytes: int, priority: Priority) -> bool:
        """Return whether so many bytes may be taken now, ahead of those who wait; if so, the class pays for them."""
        if not len(self.line):
            return nbytes <= self.ledger.free_bytes
        self.dispatch()
        if nbytes > self.ledger.free_bytes or not self.backfill.may_pass(self.line.start_tag(priority)):
            return False
        self.line.charge(priority, nbytes)
        return True

    def freed(self, nbytes: int) -> None:
        """Bytes came back: record the rate, and look at the waiters."""
        self.refusals.record_release(nbytes)
        if len(self.line):
            self.dispatch()

    def observed(self) -> None:
        """A holder was observed: look at the waiters once the whole sample is recorded."""
        if len(self.line) and not self._is_dispatch_scheduled:
            self._is_dispatch_scheduled = True
            asyncio.get_running_loop().call_soon(self._dispatch_scheduled)

    def collect_lost(self) -> None:
        """Take back the bytes of reservations that were dropped without a release."""
        while self.ledger.lost:
            self.leaked_total += 1
            self.freed(self.ledger.close(self.ledger.lost.popleft()))

    def dispatch(self) -> None:
        """Grant whatever may be granted now."""
        while (waiter := self.next) is not None:
            if waiter.nbytes > self.ledger.free_bytes and not waiter.future.done():
                if self.backfill.head is None:
                    self.backfill.begin(waiter, self.line.finish_tag(waiter))
                break
            self._grant(waiter)
        if self.backfill.head is None:
            return
        while (waiter := self.line.first_fitting(self.ledger.free_bytes, self.backfill.may_pass)) is not None:
            self._grant(waiter)
        self.on_wait()
        if self._shortage is not None:
            self._shortage.signal()

    def stand_in_line(self, waiter: Waiter) -> None:
        """Put a waiter into the line, and grant whatever may be granted now."""
        self.line.push(waiter)
        self.dispatch()

    def board(self, waiter: Waiter) -> None:
        """Take a waiter out of the line, or let one come, that waits on for what is done with a grant."""
        self.withdraw(waiter)
        self.aboard[waiter] = None

    def withdraw(self, waiter: Waiter) -> None:
        """Take a waiter out, wherever it waits; waking it is up to the caller."""
        self.backfill.forget(waiter)
        self.line.discard(waiter)
        self.aboard.pop(waiter, None)

    async def wait(self, waiter: Waiter, wait_seconds: float | None) -> None:
        """Return when a waiter in line or aboard has what it waits for; None: after `WaitPolicy.wait_seconds`.

        Raises:
            BallastError: what it was woken with.
        """
        began = self.ledger.clock()
        if not waiter.future.done():
            seconds = self.policy.wait_seconds if wait_seconds is None else wait_seconds
            waiter.timer = asyncio.get_running_loop().call_later(seconds, self._expire, waiter)
            self._cut_line(waiter)
        try:
            error = await waiter.future
        except asyncio.CancelledError:
            self._abandon(waiter)
            raise
        finally:
            seconds = self.ledger.clock() - began
            self.waits[waiter.priority].observe(seconds)
            logger.debug("%s waited %.3f s for %d bytes", waiter.holder.owner, seconds, waiter.nbytes)
        if error is not None:  # one error may be told to many: each raises it without the frames of the others
            raise error.with_traceback(None)

    def close(self, priorities: Collection[Priority]) -> None:
        """Serve every class but these until the next call: BATCH keeps waiting, the others are shed at once."""
        self.closed = frozenset(priorities)
        self.line.pause(self.closed)
        if self.backfill.head is not None and self.backfill.head.priority in self.closed:
            self.backfill.end()
        for priority in self.closed - {Priority.BATCH}:
            aboard = [waiter for waiter in self.aboard if waiter.priority is priority]
            for waiter in self.line.waiters(priority) + aboard:
                self._dismiss(waiter, self.refusals.closed)
        self.dispatch()

    def shed_unservable(self) -> None:
        """Shed those who can no longer ever fit."""
        for waiter in [waiter for priority in Priority for waiter in self.line.waiters(priority)]:
            if waiter.nbytes > self.ledger.limit_bytes:
                self._dismiss(waiter, self.refusals.too_large)
        self.dispatch()

    def reject_closed(self, nbytes: int, priority: Priority) -> None:
        """Raise Overloaded if the class is not served now; a BATCH may wait until it is."""
        if priority in self.closed and priority is not Priority.BATCH:
            raise self.refusals.closed(nbytes)

    async def _admit(self, holder: Holder, client: str, wait_seconds: float | None) -> None:
        self.refusals.check_size(holder.reserved_bytes)
        self.reject_closed(holder.reserved_bytes, holder.priority)
        is_open = holder.priority not in self.closed
        if is_open and not len(self.line) and holder.reserved_bytes <= self.ledger.free_bytes:
            self.enter(holder)
            return
        waiter = Waiter(holder, client, holder.priority, asyncio.get_running_loop().create_future())
        self.stand_in_line(waiter)
        await self.wait(waiter, wait_seconds)

    def _grant(self, waiter: Waiter) -> None:
        self.backfill.forget(waiter)
        if waiter.future.done():  # cancelled a moment ago: its task has not come to leave the line yet
            self.line.discard(waiter)
            return
        self.line.serve(waiter)
        self.enter(waiter.holder)
        waiter.granted()

    def _dismiss(self, waiter: Waiter, refuse: Callable[[int], BallastError]) -> None:
        self.withdraw(waiter)
        waiter.wake(refuse(waiter.nbytes))

    def _expire(self, waiter: Waiter) -> None:
        if not waiter.future.done():  # else cancelled a moment ago
            self._dismiss(waiter, self.refusals.late if waiter in self.aboard else self.refusals.timeout)
            self.dispatch()

    def _cut_line(self, newcomer: Waiter) -> None:
        """Keep the number of those who wait within its bounds: of the newcomer's client, and of all."""
        own = self.line.count_of(newcomer.client) + sum(one.client == newcomer.client for one in self.aboard)
        if own > self.policy.client_places:
            self._dismiss(self.line.least_of(newcomer), self.refusals.queue_full)
        elif self.waiting > self.policy.max_waiting:
            aboard = sum((one.client, one.priority) == (newcomer.client, newcomer.priority) for one in self.aboard)
            self._dismiss(self.line.to_drop(newcomer, aboard), self.refusals.queue_full)

    def _abandon(self, waiter: Waiter) -> None:
        """Leave nothing behind of a waiter whose task was cancelled."""
        self.cancelled_total += 1
        if waiter.timer is not None:
            waiter.timer.cancel()
        self.withdraw(waiter)
        self.dispatch()

    def _pass_over(self, head: Waiter) -> None:
        for waiter in head.companions():
            self.line.pass_over(waiter)
        self.dispatch()

    def _dispatch_scheduled(self) -> None:
        self._is_dispatch_scheduled = False
        self.dispatch()

    def _missing_bytes(self) -> int:
        head = self.backfill.head
        return 0 if head is None else head.nbytes - self.ledger.free_bytes
