"""One of several services that share a book: it beats, takes jobs from the queue, and takes over those of the dead."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from dataclasses import dataclass

from app.errors import BallastError, NotFound, StorageFull
from app.jobs.book.jobs import Book
from app.jobs.cluster.book import ClusterBook, Demand
from app.jobs.cluster.dispatch import SILENT_SECONDS, ClusterDispatch
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


@dataclass(frozen=True, slots=True)
class Pace:
    """`look`: how often the queue, and what clients want elsewhere, is looked at; `beat`: how often this instance says
    that it lives; `silent`: after how long without that it counts as dead. Seconds."""

    look: float = 0.5
    beat: float = 5.0
    silent: float = SILENT_SECONDS


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
        self._beaten_at = self._tidied_at = self._full_until = -1e9
        self._steady_since: float | None = None
        self._seen: dict[str, int] = {}
        self.trouble: str | None = None

    async def run(self) -> None:
        """Work until cancelled; what was not begun goes back into the queue then."""
        try:
            while True:
                self._dispatch.called.clear()
                await self._round()
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._pace.look):
                        await self._dispatch.called.wait()
        finally:
            with suppress(BallastError):
                await self._shared.hand_back([one.id for one in self._parts.tickets])

    async def _round(self) -> None:
        try:
            await self.look()
        except BallastError as error:
            self._steady_since = None
            if self.trouble is None:
                logger.warning("jobs are not dispatched", extra={"code": error.code})
            self.trouble = error.detail
        except Exception:
            logger.exception("jobs are not dispatched")
        else:
            if self.trouble is not None:
                logger.info("jobs are dispatched again")
            self.trouble = None

    async def look(self) -> None:
        """Do one round.

        Raises:
            StorageUnavailable: the database cannot be used.
        """
        await self._beat()
        if self._shared.instance.works:
            await self._follow()
            await self._take()
            await self._tidy()
        await self._tell()

    async def _beat(self) -> None:
        """Say that we live. Others are judged only by who has said so himself all the time: after a pause of the
        database, or of this machine, everybody else seems to be silent."""
        now = time.monotonic()
        if now - self._beaten_at < self._pace.beat:
            return
        await self._shared.beat()
        if self._steady_since is None or now - self._beaten_at > self._pace.beat + self._pace.silent / 2:
            self._steady_since = now
        self._beaten_at = now
        if self._shared.instance.works and now - self._steady_since >= self._pace.silent:
            taken = await self._shared.take_over(self._pace.silent)
            for job in taken:
                self._parts.counters.takeovers[job.kind] += 1
                logger.warning("a job of a silent machine is taken over", extra={"job": job.id})

    async def _follow(self) -> None:
        """Open and close tickets as the book says."""
        known = {ticket.id for ticket in self._parts.tickets}
        mine = {job.id: (job, is_wanted) for job, is_wanted in await self._shared.mine()}
        for job, is_wanted in mine.values():
            if self._dispatch.is_ending(job.id):
                continue
            if job.id not in known:
                await (self._open(job) if is_wanted else self._parts.endings.cancel(job))
            elif not is_wanted:
                await self._parts.desk.cancel(job.id)
        for job_id in known - mine.keys():
            if (ticket := self._parts.tickets.find(job_id)) is not None:
                await self._drop_if_lost(ticket)

    async def _open(self, job: Job) -> None:
        await self._parts.folders.restore(job.id, job.disk_bytes)
        self._parts.tickets.open(job)

    async def _drop_if_lost(self, ticket: Ticket) -> None:
        """Another machine has the job, or nobody, unless it has just ended here."""
        with suppress(NotFound):
            if (await self._book.get(ticket.id)).run == ticket.run:
                return
        logger.warning("a job went to another machine", extra={"job": ticket.id})
        await self._parts.engine.stop_work(ticket)
        self._parts.tickets.close(ticket.id)
        await self._parts.folders.remove(ticket.id)

    async def _take(self) -> None:
        demand = self._demand()
        if demand is None:
            return
        for job in await self._shared.take(demand):
            try:
                await self._parts.folders.promise(job.id, job.disk_bytes)
            except StorageFull:
                self._full_until = time.monotonic() + _FULL_SECONDS
                logger.warning("there is no disk for a job: it goes back", extra={"job": job.id})
                await self._shared.hand_back([job.id])
                continue
            self._parts.tickets.open(job)

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
