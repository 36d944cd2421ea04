"""A pool of children of one kind: calls wait in line until one of them is free."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from operator import attrgetter

from app import log
from app.domain.priority import Priority
from app.errors import BallastError, Overloaded, ProcessingTimeout, QueueFull, WorkerFailed
from app.workers.brake import RestartBrake
from app.workers.channel import Message
from app.workers.crew import Crew, CrewCounters, WorkerLedger
from app.workers.line import Call, CallLine
from app.workers.process import WorkerGone, WorkerProcess
from app.workers.reply import CallRecalled, Reply
from app.workers.spec import WorkerSpec

Room = Callable[[WorkerProcess], int]
"""Tells how many calls a child may be given."""

_FREE_SLOTS: Room = attrgetter("free_slots")
_FREE_AHEAD: Room = attrgetter("free_ahead")


@dataclass(slots=True)
class PoolCounters:
    calls: int = 0
    retried: int = 0


class WorkerPool:
    """Runs calls in children that can be killed, in the order of `CallLine`.

    A child that dies takes nothing with it: each of its calls is repeated once in another child if it is repeatable,
    else it ends with `WorkerFailed`.
    """

    def __init__(self, spec: WorkerSpec, ledger: WorkerLedger, clock: Callable[[], float] = time.monotonic) -> None:
        self.spec = spec
        self.counters = PoolCounters()
        self._clock = clock
        self._brake = RestartBrake(clock)
        self._line = CallLine()
        self._closed = False
        self.crew = Crew(spec, ledger, self._brake, self._dispatch, self._fail_next)

    @property
    def workers(self) -> list[WorkerProcess]:
        """The children that are up."""
        return self.crew.workers

    @property
    def concurrency_max(self) -> int:
        """How many calls may be worked on at a time."""
        return self.spec.limits.workers * self.spec.slots

    @property
    def statistics(self) -> CrewCounters:
        return self.crew.counters

    @property
    def waiting(self) -> int:
        return len(self._line)

    @property
    def trouble(self) -> str | None:
        """Why nothing can be started now, or None."""
        if (seconds := self._brake.closed_seconds) > 0:
            return f"the {self.spec.role} worker died too often; the next start is in {seconds:.0f} s"
        return None

    async def call(
        self,
        message: Message,
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
        if self.waiting >= self.spec.limits.waiting:
            raise QueueFull("Too many calls wait for a worker.", retry_after_seconds=1)
        loop = asyncio.get_running_loop()
        result: asyncio.Future[Reply] = loop.create_future()
        message = Message({"requestId": log.request_id.get(), **message.head}, message.payload)
        call = Call(message, deadline_seconds, repeatable, priority, client, pid, result, self._clock())
        impatience = loop.call_later(self.spec.limits.wait_seconds, _give_up, call)
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

    def command(self, pid: int, message: Message, deadline_seconds: float) -> asyncio.Future[Reply] | None:
        """Send a call past the line to one child; None if it is not there. See `WorkerProcess.call`."""
        worker = self.crew.find(pid)
        if worker is None:
            return None
        reply = worker.call(message, deadline_seconds)
        reply.add_done_callback(lambda _: self._rest(worker))
        return reply

    async def stop_idle(self, spared: Callable[[WorkerProcess], bool] = lambda _: False) -> int:
        """Let every child go that works on nothing; their memory is back when this returns. Return how many bytes."""
        return await self.crew.dismiss_idle(spared)

    async def close(self) -> None:
        """Let every child go; calls in flight end with `WorkerFailed`, waiting ones with `Overloaded`."""
        self._closed = True
        self._reject_line("The service is shutting down.")
        await self.crew.close()

    def _dispatch(self) -> None:
        """Give waiting calls to free slots, and start a child where calls are left."""
        self._hand_out(_FREE_SLOTS)
        if self.waiting and not self._closed:
            self.crew.grow()
            self._hand_out(_FREE_SLOTS)  # a child may work on more calls now
            self._hand_out(_FREE_AHEAD)
            self._reject_unservable()
        if not self.waiting:
            self.crew.level()

    def _hand_out(self, room: Room) -> None:
        def has_room(call: Call) -> bool:
            return self._worker_for(call, room) is not None

        while (call := self._line.take(has_room)) is not None:
            worker = self._worker_for(call, room)
            assert worker is not None
            self._send(call, worker)

    def _worker_for(self, call: Call, room: Room) -> WorkerProcess | None:
        """Return a child that has room: the one that the call is for, if that lives, else the one with fewest calls."""
        own = self.crew.find(call.pid) if call.pid is not None else None
        if own is not None:
            return own if room(own) > 0 else None
        free = (worker for worker in self.workers if room(worker) > 0)
        return min(free, key=attrgetter("calls_in_flight"), default=None)

    def _send(self, call: Call, worker: WorkerProcess) -> None:
        self.crew.keep(worker)
        call.started = self._clock()
        movable = call.pid != worker.pid
        reply = worker.call(call.message, call.deadline_seconds, partial(self._begin, call), movable=movable)
        reply.add_done_callback(lambda reply: self._end(call, worker, reply))

    def _begin(self, call: Call) -> None:
        """A slot has the call: from now on it may be what its child dies of."""
        call.started = self._clock()
        call.attempts += 1

    def _end(self, call: Call, worker: WorkerProcess, reply: asyncio.Future[Reply]) -> None:
        error = reply.exception()
        is_retried = isinstance(error, WorkerGone) and call.repeatable and call.attempts <= 1
        if (is_retried or isinstance(error, CallRecalled)) and not self._closed:
            self.counters.retried += is_retried
            self._line.push_back(call)
        elif call.is_wanted:
            if error is None:
                queued_seconds = call.started - call.submitted
                call.result.set_result(dataclasses.replace(reply.result(), queued_seconds=queued_seconds))
            else:
                call.result.set_exception(_public(error))
        self._rest(worker)

    def _rest(self, worker: WorkerProcess) -> None:
        """A slot is free again."""
        self.crew.rest(worker)
        self._dispatch()

    def _reject_unservable(self) -> None:
        """Tell those who wait that there is no child and will be none for a while."""
        if self.crew.size:
            return
        if (seconds := self._brake.closed_seconds) > 0:
            self._reject_line(
                "The worker died too often and is paused for a while.", retry_after_seconds=int(seconds) + 1
            )
        elif self.crew.allowed == 0:
            self._reject_line("Memory is critical: no worker is started now.")

    def _reject_line(self, detail: str, retry_after_seconds: int = 5) -> None:
        while self._line.fail_next(Overloaded(detail, retry_after_seconds=retry_after_seconds)):
            pass

    def _fail_next(self) -> None:
        """A child could not be started: the next call in line learns of it, the others try again."""
        self._line.fail_next(WorkerFailed("The worker could not be started."))


def _give_up(call: Call) -> None:
    if not call.started and call.is_wanted:
        call.result.set_exception(Overloaded("No worker was free in time.", retry_after_seconds=1))


def _public(error: BaseException) -> BallastError:
    if isinstance(error, BallastError):
        return error
    if isinstance(error, TimeoutError):
        return ProcessingTimeout("The work was given up at its deadline.")
    return WorkerFailed("The worker died on this input.")
