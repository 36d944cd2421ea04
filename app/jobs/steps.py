"""Steps of jobs at work: the jobs child asks for one, the service does it under its ledger, and answers."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

from app.errors import BallastError, NotFound, Overloaded, QueueFull, StorageUnavailable
from app.ffmpeg.works import FFmpegWorks
from app.jobs.book.jobs import Book, Input
from app.jobs.book.steps import StepBook, WrittenStep
from app.jobs.counters import JobCounters
from app.jobs.endings import TRANSIENT, Endings
from app.jobs.engine.orders import Answer, Ask
from app.jobs.folders import Folders
from app.jobs.job import Job
from app.jobs.kind import JobKind
from app.jobs.params import JobParams
from app.jobs.pauses import pauses_told
from app.jobs.plan import Json
from app.jobs.progress import Estimate
from app.jobs.shop import StepShop, Tools
from app.jobs.slots import Slots
from app.jobs.source import Source, absent
from app.jobs.states import JobState
from app.jobs.step_problems import fatal_step, step_problem
from app.jobs.tickets import Ticket, Tickets
from app.jobs.witness import Witness
from app.settings import JobsSettings

logger = logging.getLogger("ballast.jobs")

_MOST_BEGINNINGS = 30
"""How often a step is begun without an end that was written down: the service died each time. So many, because hardly
ever the step is to blame: heavy work is done in children, whose deaths count as `JobsSettings.tries` (docs/jobs.md)."""

_PATIENCE_SECONDS = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0)
"""How long a job waits for memory before its step is tried again, by how often it has waited."""

_AGAIN_SECONDS = 2.0
_PAUSED = "paused: memory is critical"


@dataclass(frozen=True, slots=True)
class StepParts:
    """What steps are done with. `works` makes the runs of ffmpeg for a client, for a step that was put off so often."""

    book: Book
    steps: StepBook
    tools: Tools
    folders: Folders
    endings: Endings
    kinds: Mapping[str, JobKind[JobParams]]
    works: Callable[[str, int], Awaitable[FFmpegWorks]]
    counters: JobCounters


class Steps:
    """Does one step at a time for each job, and as many in all as there are places."""

    def __init__(self, parts: StepParts, tickets: Tickets, slots: Slots, settings: JobsSettings) -> None:
        self._parts = parts
        self._tickets = tickets
        self._slots = slots
        self._settings = settings

    async def answer(self, ask: Ask) -> Answer:
        """Do the step that is asked for; cancelling ends it, and leaves what it was before.

        Nobody else may be at work for the job meanwhile: who calls this stands in its ticket (`Ticket.work`).

        Raises:
            StorageUnavailable: the book cannot be used.
        """
        ticket = self._tickets.find(ask.job_id)
        if ticket is None or ticket.run != ask.run or ticket.is_leaving:
            return Answer("stopped")
        written = await self._parts.steps.get(ask.job_id, ask.place)
        if written.is_done:  # perhaps the last one, and then the service died
            await self._end_after(ticket, ticket.job or await self._parts.book.get(ask.job_id), ask.place)
            return Answer("done")
        if not written.is_next:  # the child remembers more than the book: it begins again
            return Answer("astray")
        ticket.is_asleep = False
        await self.pause([ticket])
        job = ticket.job or await self._parts.book.get(ask.job_id)
        async with self._slots.take(ticket.rank) as place:
            answer = await self._do(ticket, ticket.job or job, ask.place, written)
            place.lingers = answer.outcome == "done" and self._tickets.find(ticket.id) is not None
            return answer

    async def answer_in_the_end(self, ask: Ask, is_alone: Callable[[], bool]) -> Answer:
        """Do the same, and while nobody is there to be told `later`, do it again when it is time.

        Raises:
            StorageUnavailable: the book cannot be used.
        """
        while True:
            answer, ticket = await self.answer(ask), self._tickets.find(ask.job_id)
            if answer.outcome != "later" or ticket is None or not is_alone():
                return answer
            await asyncio.sleep(answer.seconds)

    async def pause(self, tickets: Sequence[Ticket]) -> None:
        """While memory is critical, write down of those that are running that they wait for it.

        Raises:
            StorageUnavailable: the book cannot be used.
        """
        for ticket in tickets:
            if ticket.state is JobState.RUNNING and not self._slots.is_open:
                job = ticket.job or await self._parts.book.get(ticket.id)
                await self._save(ticket, job.moved(JobState.PAUSED, step=_PAUSED))

    async def _do(self, ticket: Ticket, job: Job, place: int, written: WrittenStep) -> Answer:
        """Do a step that has its place."""
        if written.begun >= _MOST_BEGINNINGS:
            await self._parts.endings.fail(job, fatal_step(written))
            return Answer("stopped")
        job = job.moved(
            JobState.RUNNING,
            step=written.step.words,
            started_at=job.started_at or time.time(),
            attempts=job.attempts + (written.begun + written.failures > 0 or job.started_at is None),
        )
        self._parts.counters.retries[job.kind] += int(written.begun + written.failures > 0)
        await self._parts.steps.begin(job, place)
        self._tickets.note(ticket, job)
        began = time.monotonic()
        try:
            async with asyncio.timeout(self._settings.step_seconds), self._parts.folders.measured(job.id):
                result = await self._work(ticket, job, place, written)
        except asyncio.CancelledError:  # the service stops in order, or nobody is there any more who has asked
            with suppress(BallastError):
                await self._parts.steps.take_back(ticket.id, place, failed=False)
            raise
        except (Exception, TimeoutError) as error:
            return await self._put_off(ticket, place, written, step_problem(error))
        finally:
            self._parts.counters.worked(job.kind, time.monotonic() - began)
        return await self._finish(ticket, place, written, result)

    async def _work(self, ticket: Ticket, job: Job, place: int, written: WrittenStep) -> Json:
        parts, tools = self._parts, self._parts.tools
        kind = parts.kinds[job.kind]
        folder = await parts.folders.begin(job.id)
        estimate = Estimate(written)
        witness = Witness(await parts.works(job.client, ticket.waits), job.memory)

        async def note(share: float, words: str | None) -> None:
            noted = estimate.after(ticket.job or job, share, words)
            self._tickets.note(ticket, replace(noted, memory=witness.memory))
            if estimate.is_to_be_written():
                with suppress(BallastError):  # a book that is away for a while ends no step
                    await parts.book.save(noted)

        shop = StepShop(
            (job.id, job.client, written.step.name),
            await self._sources(job),
            await parts.steps.results(job.id, place),
            (witness, replace(tools, pictures=replace(tools.pictures, note=witness.note_picture))),
            folder,
            note,
        )
        stands_still, tell = partial(self._stands_still, witness), partial(self._tell_pause, ticket, written.step.words)
        try:
            async with pauses_told(stands_still, tell):
                return await kind.do(written.step, kind.params.model_validate(job.params), shop)
        finally:
            if ticket.job is not None:
                ticket.job = replace(ticket.job, memory=witness.memory)

    def _stands_still(self, witness: Witness) -> bool:
        return witness.is_at_work and not self._slots.is_open

    async def _tell_pause(self, ticket: Ticket, words: str, is_paused: bool) -> None:
        """Write down of a step at work that its run of ffmpeg stands still, or goes on."""
        state, step = (JobState.PAUSED, _PAUSED) if is_paused else (JobState.RUNNING, words)
        with suppress(BallastError):  # a book that is away for a while ends no step
            if ticket.job is not None:
                await self._save(ticket, ticket.job.moved(state, step=step))

    async def _sources(self, job: Job) -> Sequence[Source]:
        """Return the inputs of a job; what it needs beside them must be there, too."""
        without = self._parts.kinds[job.kind].goes_on_without
        found = [await self._source(one, without) for one in await self._parts.book.inputs(job.id)]
        return found[: job.input_count]

    async def _source(self, one: Input, without: bool) -> Source:
        try:
            return Source(await self._parts.tools.store.get(one.media_id), one.probe)
        except NotFound:
            if without:
                return absent(one.media_id)
            raise

    async def _finish(self, ticket: Ticket, place: int, written: WrittenStep, result: Json) -> Answer:
        assert ticket.job is not None
        ticket.waits = 0
        done = (written.done_weight + written.step.weight) / written.total_weight if written.total_weight else 1.0
        job = ticket.job.moved(JobState.RUNNING, progress=min(1.0, max(ticket.job.progress, done)))
        await self._write_result(job, place, result)
        self._tickets.note(ticket, job)
        await self._end_after(ticket, job, place)
        return Answer("done")

    async def _write_result(self, job: Job, place: int, result: Json) -> None:
        """Write down what a step has returned; where the book is away for a while, that is no reason to do it again."""
        while True:
            try:
                return await self._parts.steps.finish(job, place, result)
            except StorageUnavailable as error:
                logger.warning("a result cannot be written down", extra={"code": error.code, "job": job.id})
                await asyncio.sleep(_AGAIN_SECONDS)

    async def _end_after(self, ticket: Ticket, job: Job, place: int) -> None:
        """If that was the last step, write down that the job has succeeded."""
        if place + 1 < job.step_count or ticket.is_ending:
            return
        ticket.is_ending = True
        try:
            kind = self._parts.kinds[job.kind]
            results = list((await self._parts.steps.results(job.id)).values())
            summary = kind.summary_of(kind.params.model_validate(job.params), results)
            await self._parts.endings.succeed(job, summary)
        finally:
            ticket.is_ending = False

    async def _put_off(self, ticket: Ticket, place: int, written: WrittenStep, error: BallastError) -> Answer:
        """A step ended without a result: it is tried again later, or its job has failed."""
        parts = self._parts
        assert ticket.job is not None
        starved = isinstance(error, Overloaded | QueueFull)
        await parts.steps.take_back(ticket.id, place, failed=not starved)
        tries = written.failures + (not starved)
        if not starved and not (isinstance(error, TRANSIENT) and tries < self._settings.tries):
            await parts.endings.fail(ticket.job, error)
            return Answer("stopped")
        seconds = _PATIENCE_SECONDS[min(ticket.waits, len(_PATIENCE_SECONDS) - 1)]
        ticket.waits += 1
        ticket.sleep(seconds)
        words = "waiting for memory" if starved else f"trying again: {written.step.words}"
        await self._save(ticket, ticket.job.changed(step=words, eta_seconds=None))
        self._tickets.changed.set()
        return Answer("later", seconds)

    async def _save(self, ticket: Ticket, job: Job) -> None:
        self._tickets.note(ticket, job)
        await self._parts.book.save(job)
