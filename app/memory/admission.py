"""Admission: who is granted bytes, and when. Whoever does not fit at once waits in line."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass

from app.domain.priority import Priority
from app.errors import BallastError
from app.memory.backfill import Backfill, Waiter
from app.memory.ledger import Holder, Ledger
from app.memory.queue import WaitingLine
from app.memory.refusal import Refusals

_SHORTAGE_INTERVAL_SECONDS = 0.25

logger = logging.getLogger("ballast.memory")


@dataclass(frozen=True, slots=True)
class WaitPolicy:
    """At most `max_waiting` wait, each for at most `wait_seconds` unless it says otherwise.

    `weights` are the shares of LIVE, REQUEST and BATCH in the bytes granted while all of them wait; for
    `overtake_seconds` see `backfill`.
    """

    max_waiting: int = 256
    wait_seconds: float = 10.0
    weights: tuple[float, float, float] = (70, 25, 5)
    overtake_seconds: float = 2.0


class Admission:
    """Grants bytes to holders, in the order of the line.

    `on_shortage` is told how many bytes the head of the line lacks, at most every 250 ms; a failing one is logged.
    """

    def __init__(self, ledger: Ledger, policy: WaitPolicy, on_shortage: Callable[[int], None] | None) -> None:
        self.ledger = ledger
        self.policy = policy
        self.line: WaitingLine[Waiter] = WaitingLine(dict(zip(Priority, policy.weights, strict=True)))
        self.backfill = Backfill(ledger, policy.overtake_seconds, self._pass_over)
        self.refusals = Refusals(ledger, self.line, policy.wait_seconds)
        self.closed: frozenset[Priority] = frozenset()
        self.granted_total = 0
        self.cancelled_total = 0
        self.leaked_total = 0
        self._on_shortage = on_shortage
        self._next_signal_at = 0.0
        self._is_signal_scheduled = False
        self._is_dispatch_scheduled = False

    async def admit(self, holder: Holder, client: str, wait_seconds: float) -> None:
        """Grant a holder its bytes: at once if nobody waits and they are free, else after waiting in line.

        Raises:
            MemoryExceedsLimit: it can never fit, or no more since a permanent holder was entered.
            Overloaded: the time was over, or the class is closed.
            QueueFull: the line is full, and this is the last waiter of the client that has most in it.
            RuntimeError: the task holds a reservation already.
        """
        holder.task = asyncio.current_task()
        if holder.task in self.ledger.tasks:
            raise RuntimeError(f"{holder.owner}: a task that holds a reservation must not wait for another")
        self._reject_unservable(holder)
        is_open = holder.priority not in self.closed
        if is_open and not len(self.line) and holder.reserved_bytes <= self.ledger.free_bytes:
            self.enter(holder)
        else:
            await self._wait(Waiter(holder, client, asyncio.get_running_loop().create_future()), wait_seconds)

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
        while (waiter := self.backfill.head or self.line.head()) is not None:
            if waiter.nbytes > self.ledger.free_bytes and not waiter.future.done():
                if self.backfill.head is None:
                    self.backfill.begin(waiter, self.line.finish_tag(waiter))
                break
            self._grant(waiter)
        if self.backfill.head is None:
            return
        while (waiter := self.line.first_fitting(self.ledger.free_bytes, self.backfill.may_pass)) is not None:
            self._grant(waiter)
        self._signal_shortage()

    def close(self, priorities: Collection[Priority]) -> None:
        """Serve every class but these until the next call: BATCH keeps waiting, the others are shed at once."""
        self.closed = frozenset(priorities)
        self.line.pause(self.closed)
        if self.backfill.head is not None and self.backfill.head.priority in self.closed:
            self.backfill.end()
        for priority in self.closed - {Priority.BATCH}:
            for waiter in self.line.waiters(priority):
                self._dismiss(waiter, self.refusals.closed)
        self.dispatch()

    def shed_unservable(self) -> None:
        """Shed those who can no longer ever fit."""
        for waiter in [waiter for priority in Priority for waiter in self.line.waiters(priority)]:
            if waiter.nbytes > self.ledger.limit_bytes:
                self._dismiss(waiter, self.refusals.too_large)
        self.dispatch()

    def _reject_unservable(self, holder: Holder) -> None:
        if holder.reserved_bytes > self.ledger.limit_bytes:
            raise self.refusals.too_large(holder.reserved_bytes)
        if holder.priority in self.closed and holder.priority is not Priority.BATCH:
            raise self.refusals.closed(holder.reserved_bytes)

    async def _wait(self, waiter: Waiter, wait_seconds: float) -> None:
        self.line.push(waiter)
        self.dispatch()
        if not waiter.future.done():
            waiter.timer = asyncio.get_running_loop().call_later(wait_seconds, self._expire, waiter)
            self._cut_line(waiter)
        try:
            error = await waiter.future
        except asyncio.CancelledError:
            self._abandon(waiter)
            raise
        if error is not None:
            raise error

    def _grant(self, waiter: Waiter) -> None:
        self.backfill.forget(waiter)
        if waiter.future.done():  # cancelled a moment ago: its task has not come to leave the line yet
            self.line.discard(waiter)
            return
        self.line.serve(waiter)
        self.enter(waiter.holder)
        waiter.wake(None)

    def _dismiss(self, waiter: Waiter, refuse: Callable[[int], BallastError]) -> None:
        self.backfill.forget(waiter)
        self.line.discard(waiter)
        waiter.wake(refuse(waiter.nbytes))

    def _expire(self, waiter: Waiter) -> None:
        if not waiter.future.done():  # else cancelled a moment ago
            self._dismiss(waiter, self.refusals.timeout)
            self.dispatch()

    def _cut_line(self, newcomer: Waiter) -> None:
        """Keep the line within its length."""
        if len(self.line) > self.policy.max_waiting:
            self._dismiss(self.line.to_drop(newcomer), self.refusals.queue_full)

    def _abandon(self, waiter: Waiter) -> None:
        """Leave nothing behind of a waiter whose task was cancelled, even in the moment of its grant."""
        self.cancelled_total += 1
        if waiter.timer is not None:
            waiter.timer.cancel()
        self.backfill.forget(waiter)
        self.line.discard(waiter)
        if waiter.holder.is_open:
            self.freed(self.ledger.close(waiter.holder))
        self.dispatch()

    def _pass_over(self, waiter: Waiter) -> None:
        self.line.pass_over(waiter)
        self.dispatch()

    def _dispatch_scheduled(self) -> None:
        self._is_dispatch_scheduled = False
        self.dispatch()

    def _signal_shortage(self) -> None:
        """Schedule a call of `on_shortage`; it never comes in the middle of a grant."""
        if self._on_shortage is not None and not self._is_signal_scheduled:
            loop = asyncio.get_running_loop()
            self._is_signal_scheduled = True
            loop.call_at(max(loop.time(), self._next_signal_at), self._tell_shortage, self._on_shortage)

    def _tell_shortage(self, on_shortage: Callable[[int], None]) -> None:
        self._is_signal_scheduled = False
        head = self.backfill.head
        missing_bytes = 0 if head is None else head.nbytes - self.ledger.free_bytes
        if missing_bytes <= 0:
            return
        self._next_signal_at = asyncio.get_running_loop().time() + _SHORTAGE_INTERVAL_SECONDS
        try:
            on_shortage(missing_bytes)
        except Exception:
            logger.exception("the shortage hook failed")
