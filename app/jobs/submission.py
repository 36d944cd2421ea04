"""Submitting jobs: everything that can be known to be wrong is refused here, not after an hour."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

from app.domain.analysis_size import AnalysisSize
from app.errors import BallastError, Conflict, InvalidParameter, MemoryExceedsLimit, NotFound
from app.ffmpeg.abilities import Abilities
from app.ffmpeg.works import FFmpegWorks
from app.images.presets import Presets
from app.jobs.book.jobs import Book, Input, queue_full
from app.jobs.counters import JobCounters
from app.jobs.dispatch import Dispatch
from app.jobs.engine.child import ENGINE_BYTES
from app.jobs.job import SHOWN_INPUTS, Job, JobMemory, new_id
from app.jobs.kind import JobKind, TaskLook
from app.jobs.order_form import OrderForm, read_params
from app.jobs.params import JobParams
from app.jobs.plan import Plan
from app.jobs.source import Source
from app.jobs.sources import SourceFinder
from app.jobs.workshop import Means
from app.memory.budget import MemoryBudget
from app.storage.threads import finish

_AT_A_TIME = 4
"""Submissions that are looked at at a time."""


@dataclass(frozen=True, slots=True)
class SubmissionParts:
    """What jobs are judged by. `check_webhook` raises InvalidParameter for a URL that nothing may be sent to,
    `check_look` ModelMissing for a look whose model is not here; `expect` is told that a job may come."""

    kinds: Mapping[str, JobKind[JobParams]]
    abilities: Callable[[], Awaitable[Abilities]]
    works: Callable[[str], Awaitable[FFmpegWorks]]
    finder: SourceFinder
    budget: MemoryBudget
    box: AnalysisSize
    check_webhook: Callable[[str], None]
    check_look: Callable[[TaskLook], None]
    expect: Callable[[], None]
    presets: Presets


class Submissions:
    """Judges jobs, plans them, and enters them into the book."""

    def __init__(
        self,
        parts: SubmissionParts,
        book: Book,
        dispatch: Dispatch,
        counters: JobCounters,
        max_queued: int,
        machine: str,
    ) -> None:
        self._parts = parts
        self._book = book
        self._dispatch = dispatch
        self._counters = counters
        self._max_queued = max_queued
        self._machine = machine
        self._turns = asyncio.Semaphore(_AT_A_TIME)

    @property
    def kinds(self) -> Mapping[str, JobKind[JobParams]]:
        return self._parts.kinds

    async def submit(self, form: OrderForm, client: str) -> Job:
        """Enter a job and return it; with the key of an earlier one, return that.

        Raises:
            BallastError: it cannot be done, or not now: see `plan`.
            QueueFull: too many jobs wait.
            Conflict: the key belongs to another job.
            StorageFull: there is no room for the files that it will need.
        """
        kind = self.kind(form.kind)
        params = read_params(kind, form.params)
        if form.webhook is not None:
            self._parts.check_webhook(form.webhook)
        if (known := await self._known(form)) is not None:
            return known
        await self._refuse_when_full()
        self._parts.expect()
        async with self._turns:
            with ExitStack() as pins:
                plan, sources = await self._ordered(kind, form, params, client, pins)
                return await self._enter(form, client, sources, plan)

    async def predict(
        self, kinds: Sequence[JobKind[JobParams]], media_id: str, client: str
    ) -> list[Plan | BallastError]:
        """Return for each kind the plan that a job with the usual parameters would have now, or why it cannot be done.

        The item is looked at once; nothing is kept.

        Raises:
            NotFound: there is no such item.
        """
        async with self._turns:
            with ExitStack() as pins:
                try:
                    means = await self.means()
                    source = await self._parts.finder.one(media_id, await self._parts.works(client), pins)
                except NotFound:
                    raise
                except BallastError as error:
                    return [error for _ in kinds]
                return [self._foreseen(kind, source, means) for kind in kinds]

    async def foresee(self, form: OrderForm, client: str) -> Plan:
        """Return the plan that a job would have now; nothing is kept.

        Raises:
            BallastError: it cannot be done, or not now: see `plan`.
        """
        kind = self.kind(form.kind)
        params = read_params(kind, form.params)
        async with self._turns:
            with ExitStack() as pins:
                return self._with_copies(*await self._ordered(kind, form, params, client, pins))

    async def _ordered(
        self, kind: JobKind[JobParams], form: OrderForm, params: JobParams, client: str, pins: ExitStack
    ) -> tuple[Plan, Sequence[Source]]:
        """Return the plan of an order, and all that it reads, pinned: its inputs, then what it needs beside them."""
        means = await self.means()
        sources = await self._parts.finder.find(kind, form.inputs, await self._parts.works(client), pins)
        plan = self._planned(kind, sources, params, means)
        return plan, [*sources, *await self._parts.finder.beside(plan.needs, pins)]

    def kind(self, name: str) -> JobKind[JobParams]:
        """Return a kind.

        Raises:
            InvalidParameter: there is none of this name.
        """
        kind = self._parts.kinds.get(name)
        if kind is None:
            raise InvalidParameter(f"kind: there is no {name!r}, only {', '.join(sorted(self._parts.kinds))}.")
        return kind

    async def means(self) -> Means:
        """Return what a plan can count on. The jobs child gives way to steps, but it must fit at all."""
        limit_bytes = self._parts.budget.limit_bytes
        if limit_bytes < ENGINE_BYTES:
            raise MemoryExceedsLimit(
                "The memory limit is too small for jobs.", neededBytes=ENGINE_BYTES, limitBytes=limit_bytes
            )
        return Means(await self._parts.abilities(), limit_bytes, self._parts.box, self._parts.presets)

    def _planned(self, kind: JobKind[JobParams], sources: Sequence[Source], params: JobParams, means: Means) -> Plan:
        plan = kind.plan(sources, params, means)
        if plan.predicted_bytes > means.limit_bytes:
            raise MemoryExceedsLimit(
                "This job takes more memory than it can ever have, even the cheapest way.",
                neededBytes=plan.predicted_bytes,
                limitBytes=means.limit_bytes,
            )
        for look in kind.looks(params, means):
            self._parts.check_look(look)
        return plan

    def _foreseen(self, kind: JobKind[JobParams], source: Source, means: Means) -> Plan | BallastError:
        try:
            plan = self._planned(kind, [source], read_params(kind, kind.usual([source])), means)
            return self._with_copies(plan, [source])
        except BallastError as error:
            return error

    def _with_copies(self, plan: Plan, sources: Sequence[Source]) -> Plan:
        """Return a plan as it is told: with the disk for copies of inputs, which a step reserves when it makes one."""
        return replace(plan, disk_bytes=plan.disk_bytes + self._parts.finder.copied_bytes(sources))

    async def _enter(self, form: OrderForm, client: str, sources: Sequence[Source], plan: Plan) -> Job:
        job = Job(
            id=new_id(),
            kind=form.kind,
            client=client,
            inputs=tuple(form.inputs[:SHOWN_INPUTS]),
            is_list=not isinstance(form.input, str),
            params=form.params,
            priority=form.priority,
            created_at=time.time(),
            machine=self._machine,
            input_count=len(form.inputs),
            step_count=len(plan.steps),
            disk_bytes=plan.disk_bytes,
            webhook=form.webhook,
            idempotency_key=form.idempotency_key,
            memory=JobMemory(plan.predicted_bytes, 0, plan.profile),
        )
        await self._dispatch.promise(job, self._parts.finder.copied_bytes(sources))
        try:
            inputs = [Input(source.item.id, source.probe) for source in sources]
            entered = await finish(self._write(job, inputs, plan))
        except Exception:
            await self._dispatch.withdraw(job.id)
            raise
        return entered if entered.id == job.id else _same(entered, form)

    async def _write(self, job: Job, inputs: Sequence[Input], plan: Plan) -> Job:
        """Write a job into the book, and have it begun; return it, or an earlier one with its key."""
        entered, is_new = await self._book.add(job, inputs, plan.steps, self._max_queued)
        if is_new:
            self._counters.submitted[job.kind] += 1
            await self._dispatch.entered(entered)
        else:
            await self._dispatch.withdraw(job.id)
        return entered

    async def _known(self, form: OrderForm) -> Job | None:
        if form.idempotency_key is None:
            return None
        known = await self._book.with_key(form.idempotency_key)
        return None if known is None else _same(known, form)

    async def _refuse_when_full(self) -> None:
        """Look before any work is done; the book looks again when the job is entered, for those that came together."""
        if await self._dispatch.queued() >= self._max_queued:
            raise queue_full(self._max_queued)


def _same(known: Job, form: OrderForm) -> Job:
    asked = (form.kind, form.inputs[:SHOWN_INPUTS], len(form.inputs), form.params)
    if (known.kind, list(known.inputs), known.input_count, known.params) != asked:
        raise Conflict("This idempotency key belongs to another job.")
    return known
