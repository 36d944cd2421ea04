"""A member at work: its tickets follow the book, and nothing that takes long keeps it from saying that it lives."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from app.jobs.cluster.book import ClusterBook
from app.jobs.cluster.dispatch import ClusterDispatch
from app.jobs.cluster.heartbeat import Pace
from app.jobs.cluster.member import Cluster, ClusterParts
from app.jobs.counters import JobCounters
from app.jobs.desk import Desk
from app.jobs.endings import Endings
from app.jobs.engine.lifecycle import EngineRoom
from app.jobs.folders import Folders
from app.jobs.job import Job
from app.jobs.keeping import Keeper
from app.jobs.slots import Slots
from app.jobs.states import JobState
from app.jobs.tickets import Ticket, Tickets
from app.storage.space import DiskSpace
from app.storage.threads import DiskThreads
from tests.jobs.books import add
from tests.jobs.cluster.machines import SILENT_SECONDS, Member, members, silence
from tests.jobs.postgres import Postgres

PACE = Pace(look=0.02, beat=0.02, silent=SILENT_SECONDS)


class _Keeper:
    """Discards as long as it is held up."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.goes_on = asyncio.Event()
        self.goes_on.set()

    async def discard(self, job_id: str) -> None:
        self.begun.append(job_id)
        await self.goes_on.wait()


@dataclass(frozen=True, slots=True)
class _Room:
    tickets: Tickets
    folders: Folders
    keeper: _Keeper

    def run_of(self, job: Job) -> int | None:
        ticket = self.tickets.find(job.id)
        return None if ticket is None else ticket.run

    async def given(self, job: Job) -> Ticket:
        """Return the ticket of a job when there is one."""
        await until(lambda: self.run_of(job) is not None)
        ticket = self.tickets.find(job.id)
        assert ticket is not None
        return ticket


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not holds():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)


@asynccontextmanager
async def at_work(member: Member, folder: Path, shared: ClusterBook | None = None) -> AsyncIterator[_Room]:
    """Have a member run for the block; no child is there to ask for steps."""

    async def free_bytes() -> int:
        return 1 << 40

    shared = shared or member.cluster
    disk, counters, tickets, slots = DiskThreads(), JobCounters(), Tickets(), Slots(2, lambda: True)
    folders, keeper = Folders(folder, DiskSpace(free_bytes, None, 0), disk), _Keeper()
    endings = Endings(member.steps, tickets, folders, cast(Keeper, keeper), counters)
    engine = EngineRoom(cast(Any, None), (member.book, tickets, cast(Any, None), slots), counters, 1.0)
    dispatch = ClusterDispatch((member.book, shared), endings, folders)
    desk = Desk(member.book, tickets, endings, engine, folders, cast(Keeper, keeper), dispatch)
    governor = cast(Any, SimpleNamespace(budget=SimpleNamespace(limit_bytes=1 << 30)))
    parts = ClusterParts(tickets, slots, folders, engine, desk, endings, counters, ("count",), governor)
    running = asyncio.create_task(Cluster((member.book, shared), dispatch, parts, PACE).run())
    try:
        yield _Room(tickets, folders, keeper)
    finally:
        keeper.goes_on.set()
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        await disk.aclose()


class _Frozen(ClusterBook):
    """Its machine sleeps right after it has asked which jobs are its own, once `meanwhile` is there."""

    meanwhile: Callable[[], Awaitable[object]] | None = None

    async def mine(self) -> list[tuple[Job, bool]]:
        found = await super().mine()
        if self.meanwhile is not None:
            meanwhile, self.meanwhile = self.meanwhile, None
            await meanwhile()
        return found


def test_beats_go_on_while_a_job_is_cancelled_for_long(postgres_server: Postgres, tmp_path: Path) -> None:
    url = postgres_server.new_url()

    async def cancel() -> None:
        async with members(url, True, False) as (worker, door), at_work(worker, tmp_path) as room:
            job = await add(door.book)
            await room.given(job)
            room.keeper.goes_on.clear()
            await door.cluster.call_off(job.id)
            await until(lambda: bool(room.keeper.begun))
            silence(postgres_server, url, 0)

            async with asyncio.timeout(30):
                while not await _is_alive(worker):  # noqa: ASYNC110 - nobody tells
                    await asyncio.sleep(0.01)
            other = await add(door.book)
            await room.given(other)  # nor does it keep the machine from its other jobs
            room.keeper.goes_on.set()
            await until(lambda: room.run_of(job) is None)

            assert room.keeper.begun == [job.id]
            assert (await door.book.get(job.id)).state is JobState.CANCELLED

    asyncio.run(cancel())


async def _is_alive(member: Member) -> bool:
    query = "SELECT count(*) FROM instance WHERE name = ? AND seen_at > clock_timestamp() - interval '30 seconds'"
    name = member.cluster.instance.name
    return bool(await member.book.database.read(lambda one: one.execute(query, (name,)).fetchone()[0]))


def test_what_came_back_begins_when_its_earlier_work_has_ended(postgres_server: Postgres, tmp_path: Path) -> None:
    url = postgres_server.new_url()

    async def freeze() -> None:
        async with members(url, True, True) as (asleep, other):
            shared = _Frozen(asleep.book.database, asleep.cluster.instance)
            async with at_work(asleep, tmp_path, shared) as room:
                job = await add(other.book)
                ticket = await room.given(job)
                seen: list[int | None] = []
                ticket.work = cast(Any, asyncio.create_task(_work(lambda: seen.append(room.run_of(job)))))

                async def take_over() -> None:
                    while (await other.book.get(job.id)).run == 1:  # it may beat once more between the two
                        silence(postgres_server, url, 0)
                        await other.cluster.take_over(SILENT_SECONDS)

                await asyncio.sleep(0)  # the work has begun
                shared.meanwhile = take_over
                await until(lambda: room.run_of(job) == 2)

                assert seen == [1]

    asyncio.run(freeze())


async def _work(ended: Callable[[], None]) -> None:
    try:
        await asyncio.Event().wait()
    finally:
        await asyncio.sleep(0.05)  # it dies slowly
        ended()


def test_a_retry_is_not_held_up_by_the_ticket_of_a_broken_ending(postgres_server: Postgres, tmp_path: Path) -> None:
    async def retry() -> None:
        async with members(postgres_server.new_url(), True, False) as (worker, door):
            shared = _Frozen(worker.book.database, worker.cluster.instance)
            async with at_work(worker, tmp_path, shared) as room:
                job = await add(door.book)
                await room.given(job)
                (tmp_path / job.id).mkdir()
                failed = job.moved(JobState.FAILED, finished_at=time.time())

                async def end_and_retry() -> None:
                    await worker.steps.close(failed, None)
                    await door.book.retry(failed.moved(JobState.QUEUED, run=2))

                shared.meanwhile = end_and_retry  # it does not look between the two
                await until(lambda: room.run_of(job) == 2)

                assert (tmp_path / job.id).is_dir()

    asyncio.run(retry())


def test_a_job_that_ended_long_ago_holds_no_place(postgres_server: Postgres, tmp_path: Path) -> None:
    async def end() -> None:
        async with members(postgres_server.new_url(), True) as (one,), at_work(one, tmp_path) as room:
            failed, cancelled = [await add(one.book) for _ in range(2)]
            for job, state in ((failed, JobState.FAILED), (cancelled, JobState.CANCELLED)):
                await room.given(job)
                (tmp_path / job.id).mkdir()
                await one.steps.close(job.moved(state, finished_at=time.time() - 100.0), None)

            await until(lambda: len(room.tickets) == 0)

            assert await room.folders.names() == [failed.id]

    asyncio.run(end())
