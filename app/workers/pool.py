"""A pool of children of one kind: calls wait in line until one of them has nothing to do."""

from __future__ import annotations

import asyncio
import dataclasses

from app import log
from app.domain.priority import Priority
from app.errors import BallastError, Overloaded, ProcessingTimeout, QueueFull, WorkerFailed
from app.workers.account import Account, Accounts
from app.workers.call import Call
from app.workers.channel import Message
from app.workers.counters import CrewCounters, PoolCounters
from app.workers.crew import Crew
from app.workers.ending import Ending, WorkerGone
from app.workers.line import CallLine
from app.workers.process import WorkerProcess
from app.workers.reply import CallRecalled, Outcome, Reply
from app.workers.spec import WorkerSpec
from app.workers.surroundings import Surroundings
from app.workers.suspects import refusal


class NoWorker(Overloaded):
    """The pool has no child, and no account for one: start it under another (`WorkerPool.start`) and call again."""


class WorkerPool:
    """Runs calls in children that can be killed, in the order of `CallLine`. All its children are of one kind.

    A child that dies takes nothing with it: each of its calls is repeated once in another child if it is repeatable,
    else it ends with `WorkerFailed`. A call that it had not begun is repeated in any case.
    """

    def __init__(self, spec: WorkerSpec, accounts: Accounts, surroundings: Surroundings) -> None:
        self.spec = spec
        self.counters = PoolCounters()
        self._surroundings = surroundings
        self._line = CallLine()
        self._closed = False
        self._crew = Crew(spec, accounts, surroundings, self._dispatch, self._line.fail_next)

    @property
    def children(self) -> list[WorkerProcess]:
        """The children that are up, loaded, and not leaving."""
        return self._crew.children

    @property
    def size(self) -> int:
        """How many children are up or starting, and not leaving."""
        return self._crew.size

    @property
    def waiting(self) -> int:
        return len(self._line)

    @property
    def is_busy(self) -> bool:
        """Whether calls wait, or a child has one."""
        return self.waiting > 0 or self._crew.is_working

    @property
    def statistics(self) -> CrewCounters:
        return self._crew.counters

    @property
    def trouble(self) -> str | None:
        """Why nothing can be started now, or None."""
        return self._surroundings.trouble(self.spec.role)

    async def start(self, account: Account) -> WorkerProcess:
        """Start one child under this account; return when it is loaded. Where that fails, the account is closed.

        Cancelling leaves nothing.

        Raises:
            Overloaded: none may be started now (`trouble`).
            WorkerFailed: it did not start, or ended before it was loaded.
            BallastError: what building its handler raised.
        """
        return await self._crew.start(account)

    async def call(
        self,
        message: Message,
        *,
        deadline_seconds: float,
        repeatable: bool = True,
        priority: Priority = Priority.REQUEST,
        client: str = "",
    ) -> Reply:
        """Have a child answer.

        Cancelling gives up the place in line at once; a call that a child has returns only when that has answered,
        or is reaped: until then it may use what was reserved for it.

        Raises:
            InvalidMedia: children crashed on this payload twice; it is refused for a while.
            QueueFull: too many calls wait.
            Overloaded: no child was free in time, or none may be started now.
            NoWorker: there is no child, and no account for one.
            ProcessingTimeout: the work took longer than `deadline_seconds`; its child was killed.
            WorkerFailed: the child died on it (twice, if repeatable), or could not process it.
            BallastError: what the handler raised.
        """
        self._admit(message)
        loop = asyncio.get_running_loop()
        result: asyncio.Future[Reply] = loop.create_future()
        message = dataclasses.replace(message, head={"requestId": log.request_id.get(), **message.head})
        submitted = self._surroundings.clock()
        call = Call(message, deadline_seconds, repeatable, priority, client, result, submitted)
        impatience = loop.call_later(self.spec.limits.wait_seconds, _lose_patience, call)
        self.counters.calls += 1
        self._line.push(call)
        self._dispatch()
        try:
            return await result
        except BaseException:
            self._line.discard(call)
            self._recall(call)
            await call.released()
            raise
        finally:
            impatience.cancel()

    def dismiss(self, worker: WorkerProcess) -> None:
        """Let a child go when its calls are answered; its account is closed when it is reaped."""
        self._crew.dismiss(worker)

    async def dismiss_now(self, worker: WorkerProcess) -> None:
        """Let a child go, whatever it works on; it is reaped, and its account closed, on return."""
        await self._crew.dismiss_now(worker)

    async def close(self) -> None:
        """Let every child go; calls in flight end with `WorkerFailed`, waiting ones with `Overloaded`."""
        self._closed = True
        self._reject_line(Overloaded, "The service is shutting down.", 5)
        await self._crew.close()

    def _admit(self, message: Message) -> None:
        if self._closed:
            raise Overloaded("The service is shutting down.", retry_after_seconds=5)
        self._surroundings.suspects.check(message.suspect)
        if self.waiting >= self.spec.limits.waiting:
            raise QueueFull("Too many calls wait for a worker.", retry_after_seconds=1)

    def _dispatch(self) -> None:
        """Give waiting calls to children that have nothing to do, and start a child where calls are left."""
        self._hand_out(1)
        if self.waiting and not self._closed:
            self._crew.grow()
            self._hand_out(1 + self.spec.ahead)
            self._reject_unservable()
        if not self.waiting:
            self._crew.level()

    def _hand_out(self, most: int) -> None:
        """Give waiting calls to the children that have fewest, up to `most` each."""
        while self.waiting:
            worker = min(self.children, key=_calls_in_flight, default=None)
            if worker is None or worker.calls_in_flight >= most or (call := self._line.take()) is None:
                return
            self._crew.keep(worker)
            worker.give(call, self._end)

    def _end(self, worker: WorkerProcess, call: Call, outcome: Outcome) -> None:
        if isinstance(outcome, WorkerGone):  # the crew looks for a successor before anything is handed out
            self._repeat(call, outcome)
            return
        if isinstance(outcome, CallRecalled):
            if call.is_wanted:
                self._line.push_back(call)
        elif call.is_wanted:
            _answer(call, outcome)
        self._crew.rest(worker)
        self._dispatch()

    def _repeat(self, call: Call, gone: WorkerGone) -> None:
        if not call.is_wanted:
            return
        if gone.ending is Ending.CRASH and self._surroundings.suspects.is_refused(call.message.suspect):
            call.result.set_exception(refusal())
        elif not self._closed and (call.attempts == 0 or (call.repeatable and call.attempts == 1)):
            self.counters.retried += call.attempts
            self._line.push_back(call)
        else:
            call.result.set_exception(WorkerFailed("The worker died on this input."))

    def _recall(self, call: Call) -> None:
        """Ask the child that has a call nobody wants any more for it, if it was sent ahead."""
        for worker in self.children:
            worker.recall(call)

    def _reject_unservable(self) -> None:
        """Tell those who wait that there is no child and will be none for a while."""
        if not self.waiting or not self._crew.expects_nobody:
            return
        if (seconds := self._surroundings.brake.closed_seconds) > 0:
            self._reject_line(Overloaded, "The worker died too often and is paused for a while.", int(seconds) + 1)
        else:
            self._reject_line(NoWorker, "There is no memory for a worker now.", 1)

    def _reject_line(self, kind: type[Overloaded], detail: str, retry_after_seconds: int) -> None:
        while self._line.fail_next(kind(detail, retry_after_seconds=retry_after_seconds)):
            pass


def _calls_in_flight(worker: WorkerProcess) -> int:
    return worker.calls_in_flight


def _lose_patience(call: Call) -> None:
    if not call.started and call.is_wanted:
        call.result.set_exception(Overloaded("No worker was free in time.", retry_after_seconds=1))


def _answer(call: Call, outcome: Reply | BallastError | TimeoutError) -> None:
    if isinstance(outcome, Reply):
        call.result.set_result(dataclasses.replace(outcome, queued_seconds=call.started - call.submitted))
    elif isinstance(outcome, TimeoutError):
        call.result.set_exception(ProcessingTimeout("The work was given up at its deadline."))
    else:
        call.result.set_exception(outcome)
