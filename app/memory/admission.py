"""Who is granted bytes, and when: the rule of a grant, and the line of those who wait for one."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Mapping

from app.domain.priority import Priority
from app.errors import BallastError
from app.memory.ledger import Holder, Ledger
from app.memory.queue import WaitingLine
from app.memory.refusal import Refusals
from app.memory.reservation import Reservation
from app.memory.shortage import ShortageSignal
from app.memory.turn import Turn
from app.memory.waiter import Waiter


class Admission:
    """Grants the bytes of one ledger in the order of the line; the `Keeper` of its reservations.

    n bytes are granted only if reserved + n <= total and working set + promised + n <= total, where *promised* is what
    was reserved and not seen in the last sample: so memory that something outside the ledger took counts as well.
    """

    def __init__(
        self,
        total_bytes: int,
        *,
        working_set: Callable[[], int],
        max_waiting: int,
        wait_seconds: float,
        weights: Mapping[Priority, float],
        overtake_seconds: float,
        on_shortage: Callable[[int], None] | None,
        clock: Callable[[], float],
    ) -> None:
        self.total_bytes = total_bytes
        self.ledger = Ledger(clock)
        self.line: WaitingLine[Waiter] = WaitingLine(weights)
        self.turn = Turn(overtake_seconds, can_drain=self._can_drain, missed=self._pass_over)
        self.shortage = ShortageSignal(on_shortage, missing_bytes=self._missing_bytes)
        self.refusals = Refusals(
            free_bytes=lambda: self.free_bytes,
            limit_bytes=lambda: self.limit_bytes,
            waiting_bytes=lambda: self.line.waiting_bytes,
            wait_seconds=wait_seconds,
            clock=clock,
        )
        self.closed: frozenset[Priority] = frozenset()
        self.holding: set[asyncio.Task[object]] = set()
        self.lost: deque[Holder] = deque()
        self.granted_total = 0
        self.cancelled_total = 0
        self.leaked_total = 0
        self._working_set = working_set
        self._max_waiting = max_waiting
        self._is_scheduled = False

    @property
    def free_bytes(self) -> int:
        """What could be granted now; negative when the working set has outgrown the budget."""
        ledger = self.ledger
        return self.total_bytes - max(ledger.reserved_bytes, self._working_set() + ledger.promised_bytes)

    @property
    def limit_bytes(self) -> int:
        """The largest grant that can ever be made: the budget without its permanent holders."""
        return max(0, self.total_bytes - self.ledger.permanent_bytes)

    def grant(self, holder: Holder) -> Reservation:
        """Enter a holder into the ledger, without asking whether it fits."""
        holder.since = self.ledger.clock()
        self.ledger.open(holder)
        self.granted_total += 1
        if holder.task is not None:
            self.holding.add(holder.task)
        return Reservation(self, holder)

    def take(self, nbytes: int, priority: Priority) -> bool:
        """Tell whether so many bytes may be taken now, past those who wait; the class is charged for them if so."""
        if not len(self.line):
            return nbytes <= self.free_bytes
        self.dispatch()
        if nbytes > self.free_bytes or not self.turn.may_pass(self.line.start_tag(priority)):
            return False
        self.line.charge(priority, nbytes)
        return True

    def freed(self, nbytes: int, task: asyncio.Task[object] | None) -> None:
        """Bytes came back, and `task` no longer holds any."""
        if task is not None:
            self.holding.discard(task)
        self.refusals.rate.record(nbytes)
        if len(self.line):
            self.dispatch()

    def observed(self) -> None:
        """A holder was seen: look at the waiters once the rest of the sample is recorded too, not at half of it."""
        if len(self.line) and not self._is_scheduled:
            self._is_scheduled = True
            asyncio.get_running_loop().call_soon(self._dispatch_scheduled)

    def collect_lost(self) -> None:
        """Take back the bytes of reservations that were dropped without a release."""
        while self.lost:
            holder = self.lost.popleft()
            nbytes, task = holder.reserved_bytes, holder.task
            self.leaked_total += 1
            self.ledger.close(holder)
            self.freed(nbytes, task)

    async def wait(self, waiter: Waiter, wait_seconds: float) -> Reservation:
        """Stand in the line for at most `wait_seconds`.

        Raises:
            Overloaded: the time was over, or the class was closed.
            QueueFull: the line is full, and this is the last waiter of the client that has most in it.
            MemoryExceedsLimit: a new permanent holder leaves too little for it.
        """
        self.line.push(waiter)
        self.dispatch()
        if not waiter.future.done():
            waiter.timer = asyncio.get_running_loop().call_later(wait_seconds, self._expire, waiter)
            self._cut_line(waiter)
        try:
            outcome = await waiter.future
        except asyncio.CancelledError:
            self._abandon(waiter)
            raise
        if isinstance(outcome, BallastError):
            raise outcome
        return outcome

    def dispatch(self) -> None:
        """Grant whatever may be granted now."""
        while (waiter := self.turn.waiter or self.line.head()) is not None:
            if waiter.nbytes > self.free_bytes and not waiter.future.done():
                self.turn.begin(waiter, self.line.finish_tag(waiter))
                break
            self._grant(waiter)
        if self.turn.waiter is None:
            return
        while (waiter := self.line.first_fitting(self.free_bytes, self.turn.may_pass)) is not None:
            self._grant(waiter)
        self.shortage.raise_signal()

    def close(self, priorities: Collection[Priority]) -> None:
        """Serve these classes no more until the next call: BATCH waits on, the others are shed at once."""
        self.closed = frozenset(priorities)
        self.line.pause(self.closed)
        if self.turn.waiter is not None and self.turn.waiter.priority in self.closed:
            self.turn.end()
        for priority in self.closed - {Priority.BATCH}:
            for waiter in self.line.waiters(priority):
                self._dismiss(waiter, self.refusals.closed)
        self.dispatch()

    def refuse_impossible(self) -> None:
        """Shed those who can never fit any more."""
        for waiter in [waiter for priority in Priority for waiter in self.line.waiters(priority)]:
            if waiter.nbytes > self.limit_bytes:
                self._dismiss(waiter, self.refusals.too_large)
        self.dispatch()

    def _grant(self, waiter: Waiter) -> None:
        if self.turn.waiter is waiter:
            self.turn.end()
        if waiter.future.done():  # cancelled a moment ago: its task has not come to leave the line yet
            self.line.discard(waiter)
            return
        self.line.serve(waiter)
        waiter.settle(self.grant(waiter.holder))

    def _dismiss(self, waiter: Waiter, refuse: Callable[[int], BallastError]) -> None:
        if self.turn.waiter is waiter:
            self.turn.end()
        self.line.discard(waiter)
        waiter.settle(refuse(waiter.nbytes))

    def _expire(self, waiter: Waiter) -> None:
        if waiter.future.done():  # cancelled a moment ago
            return
        self._dismiss(waiter, self.refusals.timeout)
        self.dispatch()

    def _cut_line(self, newcomer: Waiter) -> None:
        """Keep the line at its length: whoever has most in it loses the last one, a newcomer like others is refused."""
        if len(self.line) > self._max_waiting:
            longest = self.line.longest()
            own = self.line.of_client(newcomer.priority, newcomer.client)
            last = longest[-1] if len(longest) > own else newcomer
            self._dismiss(last, self.refusals.queue_full)

    def _abandon(self, waiter: Waiter) -> None:
        """Leave nothing behind of a waiter whose task was cancelled, even in the moment of its grant."""
        self.cancelled_total += 1
        if waiter.timer is not None:
            waiter.timer.cancel()
        if self.turn.waiter is waiter:
            self.turn.end()
        self.line.discard(waiter)
        if not waiter.future.cancelled() and isinstance(outcome := waiter.future.result(), Reservation):
            outcome.release()
        self.dispatch()

    def _pass_over(self, waiter: Waiter) -> None:
        self.line.pass_over(waiter)
        self.dispatch()

    def _can_drain(self, waiter: Waiter, age_seconds: float) -> bool:
        """Tell whether it would fit without the holders younger than that, if all of what they reserved is resident."""
        ledger = self.ledger
        reserved_bytes, promised_bytes = ledger.young_bytes(age_seconds)
        lasting_bytes = max(
            ledger.reserved_bytes - reserved_bytes,
            self._working_set() - reserved_bytes + ledger.promised_bytes - promised_bytes,
        )
        return lasting_bytes + waiter.nbytes <= self.total_bytes

    def _missing_bytes(self) -> int:
        return 0 if self.turn.waiter is None else self.turn.waiter.nbytes - self.free_bytes

    def _dispatch_scheduled(self) -> None:
        self._is_scheduled = False
        self.dispatch()
