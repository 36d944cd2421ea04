"""The jobs that are not finished, as the service has them in memory: little of those that wait, more of those begun."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from app.jobs.job import Job
from app.jobs.slots import Rank
from app.jobs.states import JobState


@dataclass(slots=True, eq=False)
class Ticket:
    """`job` is there once it was begun in this run of the service. `is_sent`: the jobs child knows of it.

    `is_asleep`: it waits, without a place, for memory or another try, `waits` times by now, until `wakes_at` (monotonic
    seconds). `work`: its step at work. `is_leaving`: what is done for it is being stopped, and nothing more begins.
    `is_ending`: its end is being written down.
    """

    id: str
    kind: str
    rank: Rank
    run: int
    state: JobState
    job: Job | None = None
    is_sent: bool = False
    is_asleep: bool = False
    is_leaving: bool = False
    is_ending: bool = False
    waits: int = 0
    wakes_at: float = 0.0
    work: asyncio.Task[None] | None = None

    @classmethod
    def of(cls, job: Job) -> Ticket:
        return cls(job.id, job.kind, (-job.priority, job.number), job.run, job.state)

    def sleep(self, seconds: float) -> None:
        """Wait for so long; asking for its step ends it."""
        self.is_asleep, self.wakes_at = True, time.monotonic() + seconds

    @property
    def is_due(self) -> bool:
        """Whether nobody works on it, and its sleep, if any, is over."""
        return self.work is None and not self.is_leaving and not (self.is_asleep and self.wakes_at > time.monotonic())


class Tickets:
    """Also tells those who listen to a job that something has changed."""

    def __init__(self) -> None:
        self._tickets: dict[str, Ticket] = {}
        self._listeners: dict[str, set[asyncio.Event]] = {}
        self._watchers: set[asyncio.Event] = set()
        self.changed = asyncio.Event()

    def __iter__(self) -> Iterator[Ticket]:
        return iter(list(self._tickets.values()))

    def __len__(self) -> int:
        return len(self._tickets)

    def find(self, job_id: str) -> Ticket | None:
        return self._tickets.get(job_id)

    def first(self, count: int) -> list[Ticket]:
        """Return so many of those that are at work or might be, in their order: none that sleeps, or is leaving."""
        awake = (one for one in self._tickets.values() if not one.is_leaving and (not one.is_asleep or one.is_due))
        return sorted(awake, key=lambda one: one.rank)[:count]

    def is_any_due(self, count: int) -> bool:
        """Whether one of the first so many is neither at work nor asleep: somebody has to ask for its step."""
        return any(ticket.is_due for ticket in self.first(count))

    def unsend(self) -> None:
        """A child that comes knows of none of them: those that sleep go on sleeping."""
        for ticket in self._tickets.values():
            ticket.is_sent = False
            ticket.is_asleep &= not ticket.is_due

    async def change(self) -> None:
        """Return when something has changed, or one has slept enough."""
        now = time.monotonic()
        sleepers = [one.wakes_at for one in self._tickets.values() if one.is_asleep and one.wakes_at > now]
        with suppress(TimeoutError):
            async with asyncio.timeout(min(sleepers) - now if sleepers else None):
                await self.changed.wait()

    def open(self, job: Job) -> Ticket:
        """Take a job in: it is to be worked on."""
        ticket = self._tickets[job.id] = Ticket.of(job)
        self.changed.set()
        self.tell(job.id)
        return ticket

    def close(self, job_id: str) -> None:
        """The job is finished."""
        self._tickets.pop(job_id, None)
        self.changed.set()
        self.tell(job_id)
        for event in self._watchers:
            event.set()

    def note(self, ticket: Ticket, job: Job) -> None:
        """Take note of what has become of a job."""
        ticket.job, ticket.state = job, job.state
        self.tell(job.id)

    def count(self) -> Counter[tuple[str, JobState]]:
        """Return how many there are by kind and state."""
        return Counter((ticket.kind, ticket.state) for ticket in self._tickets.values())

    @property
    def queued(self) -> int:
        return sum(ticket.state is JobState.QUEUED for ticket in self._tickets.values())

    @property
    def listened(self) -> list[str]:
        """The jobs that somebody listens to."""
        return list(self._listeners)

    @contextmanager
    def listen(self, job_id: str) -> Iterator[asyncio.Event]:
        """Give an event that is set whenever the job has changed, for the block."""
        event = asyncio.Event()
        self._listeners.setdefault(job_id, set()).add(event)
        try:
            yield event
        finally:
            listeners = self._listeners[job_id]
            listeners.discard(event)
            if not listeners:
                del self._listeners[job_id]

    @contextmanager
    def listen_to_all(self) -> Iterator[asyncio.Event]:
        """Give an event that is set whenever a job has finished, for the block."""
        event = asyncio.Event()
        self._watchers.add(event)
        try:
            yield event
        finally:
            self._watchers.discard(event)

    def tell(self, job_id: str) -> None:
        for event in self._listeners.get(job_id, ()):
            event.set()
