"""What clients are told of jobs: documents, and events until a job ends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from app.errors import BallastError
from app.jobs.desk import Desk
from app.jobs.job import Job
from app.jobs.keeping import Keeper
from app.jobs.kind import JobKind
from app.jobs.params import JobParams
from app.jobs.schema import JobResultSchema, JobSchema, job_schema
from app.jobs.states import JobState
from app.jobs.tickets import Tickets
from app.media.delivery import Delivery
from app.media.links import Links
from app.media.schema import MediaItemSchema
from app.server.lifecycle import Lifecycle


@dataclass(frozen=True, slots=True)
class JobEvent:
    """`state` where that has changed, else `progress`; `number` is what `Last-Event-ID` says."""

    name: str
    number: int
    job: JobSchema


class JobAnswers:
    """Describes jobs."""

    def __init__(
        self,
        records: tuple[Desk, Tickets, Keeper],
        delivery: Delivery,
        links: Links,
        kinds: Mapping[str, JobKind[JobParams]],
        lifecycle: Lifecycle,
    ) -> None:
        """`records`: what is known of jobs, of their changes, and of their results."""
        self._desk, self._tickets, self._keeper = records
        self._delivery = delivery
        self._links = links
        self._kinds = kinds
        self._lifecycle = lifecycle

    async def describe(self, job: Job) -> JobSchema:
        """Return a job as a document, with its results if it has any."""
        result = None
        if job.state is JobState.SUCCEEDED:
            media = [MediaItemSchema(**self._delivery.describe(item)) for item in await self._keeper.items(job.id)]
            result = JobResultSchema(media=media, summary=self._summary(job))
        webhook = None if job.webhook is None else redacted(job.webhook)
        return job_schema(job, result, (self._links.job_events(job.id), webhook))

    def _summary(self, job: Job) -> dict[str, Any]:
        """Return its summary. Where a player begins is signed here: what is in the book outlives every signature."""
        summary = dict(job.summary or {})
        kind = self._kinds.get(job.kind)  # none: that of a later version, on another machine
        if kind is not None and kind.is_streamed:
            summary["master"] = self._links.stream(summary["master"])
        return summary

    async def with_bytes(self, job: Job) -> AsyncIterator[bytes]:
        """Give a job as JSON, with the bytes of its results by the 50 MB rule: one of them is open at a time."""
        document = await self.describe(job)
        if document.result is None:
            yield document.model_dump_json(by_alias=True).encode()
            return
        yield document.model_dump_json(by_alias=True, exclude={"result"}).encode()[:-1] + b',"result":{"media":['
        before = b""
        for item in await self._keeper.items(job.id):
            async with self._delivery.element(item) as body:
                yield before
                async for piece in body.chunks:
                    yield piece
            before = b","
        yield b'],"summary":' + json.dumps(document.result.summary).encode() + b"}}"

    async def events(self, job_id: str, last_number: int | None) -> AsyncGenerator[JobEvent]:
        """Give the present state at once, unless it is the one that a client has, and each change, until the job ends.

        Who takes one late is given the newest: nothing is kept for a listener that does not read.

        Raises:
            NotFound: there is no such job.
        """
        with self._tickets.listen(job_id) as changed:
            end = asyncio.create_task(self._lifecycle.drained())
            end.add_done_callback(lambda _: changed.set())
            state: JobState | None = None
            try:
                while not end.done():
                    changed.clear()
                    try:
                        job = await self._desk.get(job_id)
                    except BallastError:
                        if state is None:
                            raise
                        return  # it was deleted meanwhile
                    if job.sequence != last_number:
                        name = "state" if job.state is not state else "progress"
                        yield JobEvent(name, job.sequence, await self.describe(job))
                    last_number, state = job.sequence, job.state
                    if job.state.is_finished:
                        return
                    await changed.wait()
            finally:
                end.cancel()


def redacted(url: str) -> str:
    """Return a URL without user, password and query: those may be secrets."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "..." if parts.query else "", ""))
