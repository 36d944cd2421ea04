"""A pool of children of one kind: calls wait in line until one of them is free."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from app import log
from app.domain.priority import Priority
from app.errors import BallastError, Overloaded, ProcessingTimeout, QueueFull, WorkerFailed
from app.memory.queue import WaitingLine
from app.workers.answer import Answer
from app.workers.brake import RestartBrake
from app.workers.call import Call, Reply
from app.workers.channel import Head
from app.workers.crew import Crew, CrewCounters, FreeLedger, Seat, WorkerLedger
from app.workers.process import CallRecalled, WorkerGone, WorkerProcess, WorkerSpec


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """`workers` children at most; `waiting` calls in line at most, each for `wait_seconds` at most."""

    workers: int = 1
    idle_seconds: float = 300.0
    waiting: int = 256
    wait_seconds: float = 30.0


@dataclass(slots=True)
class PoolCounters:
    calls: int = 0
    retried: int = 0


class WorkerPool:
    """Runs calls in killable children.

    Calls are served in the ledger's order: classes by weight, clients of a class in turn, each client first come first
    served. A child that dies takes nothing with it: each of its calls is repeated once in another child if it is
    repeatable, else it ends with `WorkerFailed`.
    """

    def __init__(
        self,
        spec: WorkerSpec,
        limits: PoolLimits,
        ledger: WorkerLedger | None = None,
        clock: Callable[[], float] = time.monotonic,
        weights: tuple[float, float, float] = (70, 25, 5),
    ) -> None:
        self.spec = spec
        self.limits = limits
        self.counters = PoolCounters()
        self._clock = clock
        self._brake = RestartBrake(clock)
        self._line: WaitingLine[Call] = WaitingLine(dict(zip(Priority, weights, strict=True)))
        self._again: deque[Call] = deque()
        self._closed = False
        self.crew = Crew(
            spec,
            limits.workers,
            limits.idle_seconds,
            ledger or FreeLedger(),
            self._brake,
            self._dispatch,
            self._fail_next,
        )

    @property
    def workers(self) -> list[WorkerProcess]:
        """The children that are up."""
        return self.crew.workers

    @property
    def width_max(self) -> int:
        """How many calls may be worked on at a time."""
        return self.limits.workers * self.spec.slots

    @property
    def statistics(self) -> CrewCounters:
        return self.crew.counters

    @property
    def waiting(self) -> int:
        return len(self._line) + len(self._again)

    @property
    def trouble(self) -> str | None:
        """Why nothing can be started now, or None."""
        if (seconds := self._brake.closed_seconds) > 0:
            return f"the {self.spec.role} worker died too often; the next start is in {seconds:.0f} s"
        return None

    async def call(
        self,
        head: Head,
        payload: bytes,
        *,
        deadline_seconds: float,
        repeatable: bool = True,
        priority: Priority = Priority.REQUEST,
        client: str = "",
        pid: int | None = None,
    ) -> Reply:
        """Have a child answer, the one of process id `pid` if it lives; cancelling gives up the place in line.

        Raises:
            QueueFull: too many calls wait.
            Overloaded: no child was free in time, or none may be started now.
            ProcessingTimeout: the work took longer than `deadline_seconds`; its child was killed.
            WorkerFailed: the child died on it (twice, if repeatable), or could not process it.
            BallastError: what the handler raised.
        """
        if self._closed:
            raise Overloaded("The service is shutting down.", retry_after_seconds=5)
        if self.waiting >= self.limits.waiting:
            raise QueueFull("Too many calls wait for a worker.", retry_after_seconds=1)
        loop = asyncio.get_running_loop()
        result: asyncio.Future[Reply] = loop.create_future()
        head = {"requestId": log.request_id.get(), **head}
        call = Call(head, payload, deadline_seconds, repeatable, priority, client, pid, result, self._clock())
        impatience = loop.call_later(self.limits.wait_seconds, _give_up, call)
        self.counters.calls += 1
        self._line.push(call)
        self._dispatch()
        try:
            return await result
        finally:
            impatience.cancel()
            result.cancel()
            if not call.started:
                self._line.discard(call)

    def command(self, pid: int, head: Head, deadline_seconds: float) -> asyncio.Future[Answer] | None:
        """Send a call past the line to one child; None if it is not there. See `WorkerProcess.call`."""
        seat = self.crew.seat_of(pid)
        if seat is None or seat.worker is None:
            return None
        answer = seat.worker.call(head, b"", deadline_seconds)
        answer.add_done_callback(lambda _: self._rest(seat))
        return answer

    async def stop_idle(self, spared: Callable[[WorkerProcess], bool] = lambda _: False) -> int:
        """Let every child go that works on nothing; their memory is back when this returns. Return how many bytes."""
        return await self.crew.vacate_idle(spared)

    async def close(self) -> None:
        """Let every child go; calls in flight end with `WorkerFailed`, waiting ones with `Overloaded`."""
        self._closed = True
        self._refuse_line("The service is shutting down.")
        await self.crew.close()

    def _dispatch(self) -> None:
        """Give waiting calls to free slots, and start a child where calls are left."""
        self._hand_out(_free_slots)
        if self.waiting and not self._closed:
            self.crew.grow()
            self._hand_out(_free_slots)  # a child has become wider
            self._hand_out(_free_ahead)
            self._refuse_in_vain()
        if not self.waiting:
            self.crew.level()

    def _hand_out(self, room: Callable[[Seat], int]) -> None:
        while (found := self._next(room)) is not None:
            self._send(*found)

    def _refuse_in_vain(self) -> None:
        """Tell those who wait that there is no child and will be none for a while."""
        if self.crew.seats:
            return
        if (seconds := self._brake.closed_seconds) > 0:
            self._refuse_line("The worker died too often; it gets a pause.", retry_after_seconds=int(seconds) + 1)
        elif not self.crew.may_start:
            self._refuse_line("Memory is critical: no worker is started now.")

    def _next(self, room: Callable[[Seat], int]) -> tuple[Call, Seat] | None:
        """Take the first call out of the line that there is a seat for; those that nobody waits for any more go too."""

        def may_go(call: Call) -> bool:
            return call.result.done() or self._seat_for(call, room) is not None

        while (call := self._first(may_go)) is not None:
            self._take(call)
            if not call.result.done() and (seat := self._seat_for(call, room)) is not None:
                return call, seat
        return None

    def _first(self, wanted: Callable[[Call], bool]) -> Call | None:
        return next((call for call in self._again if wanted(call)), None) or self._line.first(wanted)

    def _seat_for(self, call: Call, room: Callable[[Seat], int]) -> Seat | None:
        """Return a seat that has room: the one of the child that the call is for, if that one lives, else any."""
        own = self.crew.seat_of(call.pid) if call.pid is not None else None
        if own is not None:
            return own if room(own) > 0 else None
        return self.crew.seat_with(room)

    def _take(self, call: Call) -> None:
        if call in self._again:
            self._again.remove(call)
        elif call.result.done():
            self._line.discard(call)
        else:
            self._line.serve(call)

    def _send(self, call: Call, seat: Seat) -> None:
        assert seat.worker is not None
        seat.stay()
        call.started = self._clock()
        answer = seat.worker.call(
            call.head,
            call.payload,
            call.deadline_seconds,
            lambda: self._begin(call),
            movable=call.pid != seat.worker.pid,
        )
        answer.add_done_callback(lambda answer: self._end(call, seat, answer))

    def _begin(self, call: Call) -> None:
        """A slot has the call: from now on it may be what its child dies of."""
        call.started = self._clock()
        call.attempts += 1

    def _end(self, call: Call, seat: Seat, answer: asyncio.Future[Answer]) -> None:
        error = answer.exception()
        if error is None:
            self._deliver(call, seat, answer.result())
        elif isinstance(error, CallRecalled) and not self._closed:
            self._again.append(call)
        elif isinstance(error, WorkerGone) and call.repeatable and call.attempts <= 1 and not self._closed:
            self.counters.retried += 1
            self._again.append(call)
        elif not call.result.done():
            call.result.set_exception(_public(error))
        self._rest(seat)

    def _rest(self, seat: Seat) -> None:
        """A slot is free again."""
        self.crew.rest(seat)
        self._dispatch()

    def _deliver(self, call: Call, seat: Seat, answer: Answer) -> None:
        if answer.fatal and seat.worker is not None:
            seat.worker.kill()
        if call.result.done():
            return
        if answer.error is not None:
            call.result.set_exception(answer.error)
        else:
            queued_seconds = call.started - call.submitted
            call.result.set_result(Reply(answer.head, answer.payload, answer.pid, queued_seconds, answer.peak_bytes))

    def _fail_next(self) -> None:
        """A child could not be started: the next call in line learns of it, the others try again."""
        if (call := self._first(_is_wanted)) is not None:
            self._take(call)
            call.result.set_exception(WorkerFailed("The worker could not be started."))

    def _refuse_line(self, detail: str, retry_after_seconds: int = 5) -> None:
        while (call := self._first(_is_wanted)) is not None:
            self._take(call)
            call.result.set_exception(Overloaded(detail, retry_after_seconds=retry_after_seconds))


def _free_slots(seat: Seat) -> int:
    return seat.free_slots


def _free_ahead(seat: Seat) -> int:
    return seat.free_ahead


def _is_wanted(call: Call) -> bool:
    return not call.result.done()


def _give_up(call: Call) -> None:
    if not call.started and not call.result.done():
        call.result.set_exception(Overloaded("No worker was free in time.", retry_after_seconds=1))


def _public(error: BaseException) -> BallastError:
    if isinstance(error, TimeoutError):
        return ProcessingTimeout("The work was given up at its deadline.")
    return WorkerFailed("The worker died on this input.")
