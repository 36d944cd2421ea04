"""Keeps the jobs child: started for the first unfinished job, told what is to be done, let go when there is nothing."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress

from app.domain.pressure import PressureLevel
from app.errors import BallastError, NotFound
from app.jobs.book.jobs import Book
from app.jobs.counters import JobCounters
from app.jobs.engine.child import EngineChild
from app.jobs.engine.orders import Answer, Ask
from app.jobs.slots import Slots
from app.jobs.states import JobState
from app.jobs.steps import Steps
from app.jobs.tickets import Ticket, Tickets
from app.storage.threads import finish
from app.workers.channel import Head

logger = logging.getLogger("ballast.jobs")

_AHEAD = 8
"""Jobs beyond the places that the child may know of: those that wait for memory."""

_BACKOFF_SECONDS = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
"""How long the next start waits, by how many starts failed in a row."""

MakeChild = Callable[[Callable[[Head], None], Callable[[], None]], EngineChild]


class EngineRoom:
    """Its child holds nothing that is not in the book: when it dies another one goes on.

    So it leaves while steps are at work, if somebody lacks its memory (it is *parked*). What the steps have done is in
    the book, and the child that comes back when one has ended is told so.
    """

    def __init__(
        self,
        make_child: MakeChild,
        jobs: tuple[Book, Tickets, Steps, Slots],
        counters: JobCounters,
        idle_seconds: float,
    ) -> None:
        self._make_child = make_child
        self._book, self._tickets, self._steps, self._slots = jobs
        self._counters = counters
        self._idle_seconds = idle_seconds
        self._child: EngineChild | None = None
        self._asked: set[asyncio.Task[None]] = set()
        self._failures = 0
        self._is_expected = False
        self._is_unwanted = False
        self._is_parked = False
        self.trouble: str | None = None

    @property
    def is_running(self) -> bool:
        return self._child is not None

    async def run(self) -> None:
        """Work until cancelled; then the child is gone, and so are its steps."""
        try:
            while True:
                self._tickets.changed.clear()
                if self._is_unwanted:
                    await self._park()
                if not len(self._tickets) and not self._is_expected:
                    await self._rest()
                elif self._is_parked:
                    await self._stay_away()
                elif self._child is not None or await self._start():
                    self._is_expected = False
                    await self._send_due()
                    if len(self._tickets):
                        await self._tickets.changed.wait()
        finally:
            await self._end_child()

    def expect(self) -> None:
        """A job is about to come: have the child ready for it."""
        if self._child is None and not self._is_parked:
            self._is_expected = True
            self._tickets.changed.set()

    def follow(self, level: PressureLevel) -> None:
        """Memory is tight, or not any more: above MODERATE no child is kept that only waits."""
        self._slots.refresh()
        self._tickets.changed.set()
        if level >= PressureLevel.HIGH:
            self.reclaim(None)

    def reclaim(self, _wanted_bytes: int | None) -> int:
        """Let a child go that is idle, or waits for steps and sleepers; return the bytes that are on their way back."""
        child = self._child
        if child is None or self._is_expected or self._tickets.is_any_due(self._slots.count):
            return 0
        self._is_unwanted = True
        self._tickets.changed.set()
        return child.held_bytes

    async def stop_work(self, ticket: Ticket) -> None:
        """End what is done for a job, and have the child forget it; on return nothing of it runs."""
        ticket.is_leaving = True
        if self._child is not None and ticket.is_sent:
            self._child.send({"forget": ticket.id, "run": ticket.run})
        if (work := ticket.work) is not None:
            work.cancel()
            await finish(asyncio.wait((work,)))

    def go_on(self, ticket: Ticket) -> None:
        """A job whose work was stopped is not to end after all."""
        ticket.is_leaving = ticket.is_sent = False
        self._tickets.changed.set()

    def forget(self, job_id: str, run: int) -> None:
        """A run has ended: the child need not remember it."""
        if self._child is not None:
            self._child.send({"forget": job_id, "run": run})

    async def _rest(self) -> None:
        """Nothing is to be done: let the child go after a while, or at once where its memory is wanted."""
        self._is_parked = False
        with suppress(TimeoutError):
            async with asyncio.timeout(self._idle_seconds if self._child is not None else None):
                await self._tickets.changed.wait()
                return
        await self._end_child()

    async def _park(self) -> None:
        """Let the child go, if it still only waits; steps go on."""
        self._is_unwanted, child = False, self._child
        if child is not None and not self._tickets.is_any_due(self._slots.count):
            self._child, self._is_parked = None, True
            await child.stop()

    async def _stay_away(self) -> None:
        """Wait until a job has to be gone on with; the next child is told of all of them."""
        due = [one for one in self._tickets.first(self._slots.count) if one.is_due]
        if not due or not self._slots.is_open:
            with suppress(BallastError):  # the book cannot be used: clients hear of that elsewhere
                await self._steps.pause(due)
            await self._tickets.change()
            return
        self._is_parked = False
        self._tickets.unsend()

    async def _start(self) -> bool:
        await asyncio.sleep(_BACKOFF_SECONDS[min(self._failures, len(_BACKOFF_SECONDS) - 1)])
        child = self._make_child(self._take, self._lost)
        try:
            await child.start()
        except BallastError as error:
            self._failures += 1
            self.trouble = f"the jobs child does not start: {error.detail}"
            logger.warning("the jobs child does not start: %s", error.detail, extra={"code": error.code})
            return False
        self._child, self.trouble = child, None
        self._counters.engine_starts += 1
        return True

    async def _send_due(self) -> None:
        """Tell the child of the jobs that are next."""
        asleep = [one for one in self._tickets if one.is_asleep and not one.is_sent]
        room = self._slots.count + _AHEAD - sum(one.is_sent for one in self._tickets)
        for ticket in [*self._tickets.first(self._slots.count), *asleep]:
            child = self._child
            if child is None or ticket.is_sent or ticket.is_leaving:
                continue
            if room <= 0 and ticket.state is JobState.QUEUED:
                continue
            room -= 1
            ticket.is_sent = True
            try:
                job = await self._book.get(ticket.id)
            except NotFound:  # the book is another one now
                self._tickets.close(ticket.id)
                continue
            except BallastError as error:
                ticket.is_sent = False
                logger.warning("the book of jobs cannot be read", extra={"code": error.code})
                await asyncio.sleep(1.0)
                self._tickets.changed.set()
                return
            child.send({"start": job.id, "run": ticket.run, "steps": job.step_count})

    def _take(self, head: Head) -> None:
        """The child says something."""
        try:
            if "over" in head:
                self._begin_again(str(head["over"]), int(head["run"]))
                return
            ask = Ask.read(head)
        except (KeyError, TypeError, ValueError):
            logger.error("the jobs child says what nobody understands")
            return
        self._failures = 0
        task = asyncio.create_task(self._answer(ask), name=f"step-{ask.job_id}-{ask.place}")
        self._asked.add(task)
        task.add_done_callback(self._asked.discard)

    async def _answer(self, ask: Ask) -> None:
        child, ticket = self._child, self._tickets.find(ask.job_id)
        while ticket is not None and ticket.work is not None:  # an earlier child asked for it
            await asyncio.wait((ticket.work,))
        if child is not None and ticket is not None and ticket.is_asleep and not ticket.is_due:
            child.send(Answer("later", ticket.wakes_at - time.monotonic()).head(ask.number))
            return
        if ticket is not None:
            ticket.work = asyncio.current_task()  # until the end of this: who cancels the job finds no gap
        try:
            answer = await self._answered(ask)
        except asyncio.CancelledError:
            if child is self._child and child is not None:
                child.send(Answer("stopped").head(ask.number))
            raise
        finally:
            if ticket is not None:
                ticket.work = None
        if self._is_parked:
            self._tickets.changed.set()
        elif child is not None:
            child.send(answer.head(ask.number))
        if self._tickets.find(ask.job_id) is None:
            self.forget(ask.job_id, ask.run)

    async def _answered(self, ask: Ask) -> Answer:
        """Have the step done; as long as the book is away, again and again."""
        while True:
            try:
                return await self._steps.answer_in_the_end(ask, lambda: self._is_parked)
            except NotFound:  # the book is another one now
                self._tickets.close(ask.job_id)
                return Answer("stopped")
            except BallastError as error:
                logger.warning("a step cannot be noted", extra={"code": error.code, "job": ask.job_id})
                await asyncio.sleep(2.0)

    def _begin_again(self, job_id: str, run: int) -> None:
        """What the child remembers of a run is not what the book says: it forgets that, and begins anew."""
        ticket = self._tickets.find(job_id)
        self.forget(job_id, run)
        if ticket is not None and ticket.run == run:
            ticket.is_sent = ticket.is_asleep = False
            self._tickets.changed.set()

    def _lost(self) -> None:
        """The child is gone: its steps end, and another one is started."""
        if self._is_parked or self._child is None:  # it left, or never came up: no step is its own
            return
        self._counters.engine_deaths += 1
        self._failures += 1
        self._child = None
        for task in list(self._asked):
            task.cancel()
        self._tickets.unsend()
        self._tickets.changed.set()

    async def _end_child(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            await child.stop()
        for task in (tasks := list(self._asked)):
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
