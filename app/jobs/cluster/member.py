"""One of several services that share a book: it takes jobs from the queue, and lets go of those that others have."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from app.errors import BallastError, NotFound, StorageFull
from app.jobs.book.jobs import Book
from app.jobs.cluster.book import ClusterBook, Demand
from app.jobs.cluster.dispatch import ClusterDispatch
from app.jobs.cluster.errands import Errands
from app.jobs.cluster.heartbeat import Heartbeat, Pace
from app.jobs.counters import JobCounters
from app.jobs.desk import Desk
from app.jobs.endings import Endings
from app.jobs.engine.lifecycle import EngineRoom
from app.jobs.folders import Folders
from app.jobs.job import Job
from app.jobs.resumption import judge_folder
from app.jobs.slots import Slots
from app.jobs.tickets import Ticket, Tickets
from app.memory.governor import Governor

logger = logging.getLogger("ballast.jobs")

_AHEAD = 8
"""Jobs beyond the places that an instance may have: they wait for memory, and hold no place."""

_ANY_PRIORITY = -1_000_000

_TIDY_SECONDS = 60.0
_FULL_SECONDS = 30.0
"""How long nothing is taken from the queue after a job that there was no disk for."""

_ENDING_SECONDS = 60.0
"""How long the ticket of a job that has finished is left to who ends it: then that was broken off."""


@dataclass(frozen=True, slots=True)
class ClusterParts:
    """What it takes jobs for, and follows them with. `kinds`: those that this instance can do."""

    tickets: Tickets
    slots: Slots
    folders: Folders
    engine: EngineRoom
    desk: Desk
    endings: Endings
    counters: JobCounters
    kinds: tuple[str, ...]
    governor: Governor


class Cluster:
    """Which jobs are this instance's stands in the database; tickets follow that."""

    def __init__(
        self, books: tuple[Book, ClusterBook], dispatch: ClusterDispatch, parts: ClusterParts, pace: Pace | None = None
    ) -> None:
        self._book, self._shared = books
        self._dispatch = dispatch
        self._parts = parts
        self._pace = pace or Pace()
        self._heartbeat = Heartbeat(self._shared, parts.counters, self._pace, self._dispatch.called.set)
        self._tidied_at = self._full_until = -1e9
        self._seen: dict[str, int] = {}
        self._trouble: str | None = None

    async def run(self) -> None:
        """Work until cancelled; what was not begun goes back into the queue then."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._heartbeat.run(), name="heartbeat")
                errands = Errands(group)
                while True:
                    self._dispatch.called.clear()
                    await self._round(errands)
                    with suppress(TimeoutError):
                        async with asyncio.timeout(self._pace.look):
                            await self._dispatch.called.wait()
        finally:
            with suppress(BallastError):
                await self._shared.hand_back([one.id for one in self._parts.tickets])

    async def _round(self, errands: Errands) -> None:
        try:
            await self._look(errands)
        except BallastError as error:
            if self._trouble is None:
                logger.warning("jobs are not dispatched", extra={"code": error.code})
            self._trouble = error.detail
        except Exception:
            logger.exception("jobs are not dispatched")
        else:
            if self._trouble is not None:
                logger.info("jobs are dispatched again")
            self._trouble = None

    async def _look(self, errands: Errands) -> None:
        if self._shared.instance.works and self._heartbeat.is_heard:
            await self._follow(errands)
            await self._take(errands)
            await self._tidy()
        await self._tell()

    async def _follow(self, errands: Errands) -> None:
        """Open and close tickets as the book says."""
        parts = self._parts
        busy, known = set(errands), {ticket.id for ticket in parts.tickets}  # before the book is asked: it is newer
        mine = {job.id: (job, is_wanted) for job, is_wanted in await self._shared.mine()}
        for job_id, (job, is_wanted) in mine.items():
            ticket = parts.tickets.find(job_id)
            if job_id in busy or self._dispatch.is_ending(job_id):
                continue
            if job_id not in known:
                if is_wanted:
                    await self._open(job)
                else:
                    errands.begin(job_id, partial(parts.endings.cancel, job))
            elif ticket is None:  # it has just ended
                continue
            elif ticket.run < job.run:
                errands.begin(job_id, partial(self._close, ticket))
            elif not is_wanted:
                errands.begin(job_id, partial(parts.desk.cancel, job_id))
        for job_id in known - mine.keys() - busy:
            if (ticket := parts.tickets.find(job_id)) is not None:
                errands.begin(job_id, partial(self._drop_if_lost, ticket))

    async def _open(self, job: Job) -> None:
        """Go on with a job where its finished parts are, unless it was just ended."""
        newest = await self._book.get(job.id)
        if newest.run == job.run and not newest.state.is_finished:
            await self._parts.folders.restore(job.id, job.disk_bytes)
            self._parts.tickets.open(newest)

    async def _close(self, ticket: Ticket) -> None:
        """End what is done for an earlier run; the next round begins the one that the book has."""
        await self._parts.engine.stop_work(ticket)
        self._parts.tickets.close(ticket.id)

    async def _drop_if_lost(self, ticket: Ticket) -> None:
        """Another machine has the job, or nobody, unless it has just ended here."""
        parts = self._parts
        with suppress(NotFound):
            job = await self._book.get(ticket.id)
            if job.run == ticket.run:
                if ticket.work is None and _ended_long_ago(job):
                    await judge_folder(job.id, self._book, parts.folders)
                    parts.tickets.close(job.id)
                return
        logger.warning("a job went to another machine", extra={"job": ticket.id})
        await self._close(ticket)
        await parts.folders.remove(ticket.id)

    async def _take(self, errands: Errands) -> None:
        demand = self._demand()
        if demand is None:
            return
        parts = self._parts
        for job in await self._shared.take(demand):
            await errands.ended(job.id)
            if (earlier := parts.tickets.find(job.id)) is not None:  # it went and came back while this machine slept
                await self._close(earlier)
            await parts.folders.remove(job.id)  # what an earlier turn has left here counts as not done
            try:
                await parts.folders.promise(job.id, job.disk_bytes)
            except StorageFull:
                self._full_until = time.monotonic() + _FULL_SECONDS
                logger.warning("there is no disk for a job: it goes back", extra={"job": job.id})
                await self._shared.hand_back([job.id])
                continue
            parts.tickets.open(job)

    def _demand(self) -> Demand | None:
        """Return what is wanted now: a job for each free place, and one that would go before those at work."""
        parts, slots = self._parts, self._parts.slots
        tickets = sorted(parts.tickets, key=lambda one: one.rank)
        if not slots.is_open or len(tickets) >= slots.count + _AHEAD or time.monotonic() < self._full_until:
            return None
        awake = [ticket for ticket in tickets if not ticket.is_asleep]
        free = slots.count - len(awake)
        above = _ANY_PRIORITY if free > 0 else -awake[slots.count - 1].rank[0]
        return Demand(max(1, free), parts.kinds, parts.governor.budget.limit_bytes, above)

    async def _tidy(self) -> None:
        """Remove the files of jobs that are not this instance's any more."""
        now = time.monotonic()
        if now - self._tidied_at < _TIDY_SECONDS:
            return
        is_first, self._tidied_at = self._tidied_at < 0, now
        parts = self._parts
        names = [name for name in await parts.folders.names() if parts.tickets.find(name) is None]
        owned = await self._shared.owned(names) if names else set()
        for name in names:
            if parts.tickets.find(name) is not None:
                continue
            if name not in owned:
                await parts.folders.remove(name)
            elif is_first:
                await judge_folder(name, self._book, parts.folders)

    async def _tell(self) -> None:
        """Tell those who listen to jobs of other machines what has changed."""
        tickets = self._parts.tickets
        heard = [job_id for job_id in tickets.listened if tickets.find(job_id) is None]
        found = await self._shared.sequences(heard) if heard else {}
        for job_id in heard:
            if found.get(job_id) != self._seen.get(job_id):
                tickets.tell(job_id)
        self._seen = found


def _ended_long_ago(job: Job) -> bool:
    return job.finished_at is not None and time.time() - job.finished_at > _ENDING_SECONDS
