"""Steps of a shared book: what the disk has to do with them, and who may write of them."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from app.errors import NotFound, StorageUnavailable
from app.jobs.cluster.steps import ClusterStepBook
from app.jobs.folders import Folders, Trace
from app.jobs.states import JobState
from tests.jobs.books import add
from tests.jobs.cluster.machines import SILENT_SECONDS, Member, members, silence
from tests.jobs.postgres import Postgres


class _Folders:
    """`is_stuck`: the disk does not answer."""

    def __init__(self) -> None:
        self.is_stuck = False
        self.files: frozenset[Trace] = frozenset()

    async def traces(self, _job_id: str) -> frozenset[Trace]:
        if self.is_stuck:
            raise StorageUnavailable("The disk does not answer.", retry_after_seconds=1)
        return self.files


def _steps(member: Member, folders: _Folders) -> ClusterStepBook:
    return ClusterStepBook(member.book.database, member.cluster, cast(Folders, folders))


def test_a_disk_that_does_not_answer_counts_as_no_beginning(postgres_server: Postgres) -> None:
    async def begin() -> None:
        async with members(postgres_server.new_url(), True) as (one,):
            folders = _Folders()
            steps = _steps(one, folders)
            running = (await add(one.book)).moved(JobState.RUNNING)
            await one.take()
            folders.is_stuck = True

            with pytest.raises(StorageUnavailable):
                await steps.begin(running, 0)

            assert (await steps.get(running.id, 0)).begun == 0

    asyncio.run(begin())


def test_what_a_step_has_left_on_the_disk_is_done_again_elsewhere(postgres_server: Postgres) -> None:
    url = postgres_server.new_url()

    async def move() -> None:
        async with members(url, True, True) as (one, two):
            folders = _Folders()
            steps = _steps(one, folders)
            running = (await add(one.book)).moved(JobState.RUNNING)
            await one.take()
            for place in (0, 1):
                await steps.begin(running, place)
                folders.files |= {("chunk", 1, 1)}  # new to the first step only
                await steps.finish(running, place, {"place": place})

            silence(postgres_server, url, 0)
            await two.cluster.take_over(SILENT_SECONDS)

            assert await two.steps.results(running.id) == {"part-1": {"place": 1}}

    asyncio.run(move())


def test_who_lost_a_job_neither_keeps_nor_puts_off_anything_of_it(postgres_server: Postgres) -> None:
    url = postgres_server.new_url()

    async def write_late() -> None:
        async with members(url, True, True) as (asleep, other):
            late = _steps(asleep, _Folders())
            running = (await add(asleep.book)).moved(JobState.RUNNING)
            await asleep.take()
            await late.begin(running, 0)
            assert await late.keep(running.id, "part-0", "a.mp4", "first") == "first"
            silence(postgres_server, url, 0)
            await other.cluster.take_over(SILENT_SECONDS)
            await other.take()

            for writing in (
                late.take_back(running.id, 0, failed=True),
                late.keep(running.id, "part-0", "b.mp4", "second"),
                asleep.cluster.note_local(running.id, 0, False),
            ):
                with pytest.raises(NotFound):
                    await writing

            written = await other.steps.get(running.id, 0)
            assert (written.begun, written.failures) == (1, 0)
            assert await other.steps.kept(running.id) == ["first"]

    asyncio.run(write_late())
