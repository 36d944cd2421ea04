"""Who works on which job of a shared book; two instances in one process, with a real database."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time

import pytest

from app.errors import InvalidParameter, NotFound, QueueFull, StorageUnavailable
from app.jobs.cluster import database as cluster_database
from app.jobs.cluster.book import Demand
from app.jobs.cluster.tables import LEASE_SECONDS
from app.jobs.job import JobMemory
from app.jobs.states import JobState
from tests.jobs.books import add, new_job
from tests.jobs.cluster.machines import ANY, SILENT_SECONDS, members, silence
from tests.jobs.postgres import Postgres, postgres
from tests.media_files import REPOSITORY


def test_each_job_is_taken_once_by_priority_then_age(postgres_server: Postgres) -> None:
    async def share() -> None:
        async with members(postgres_server.new_url(), True, True) as (one, two):
            low, high, older = [(await add(one.book, priority=priority)).id for priority in (-1, 5, 0)]

            assert await one.take(1) == [high]
            assert await two.take(10, above=0) == []
            assert await two.take(10) == [older, low]
            assert await one.take(10) == []
            assert [job.id for job, _ in await one.cluster.mine()] == [high]
            assert await two.cluster.owned([low, high]) == {low}

    asyncio.run(share())


def test_many_that_take_at_once_never_take_the_same(postgres_server: Postgres) -> None:
    async def race() -> None:
        async with members(postgres_server.new_url(), *[True] * 4) as found:
            entered = {(await add(found[0].book)).id for _ in range(40)}
            taken = await asyncio.gather(*(one.take(1) for _ in range(12) for one in found))

            flat = [job_id for jobs in taken for job_id in jobs]
            assert sorted(flat) == sorted(entered)

    asyncio.run(race())


def test_what_is_too_large_or_of_an_unknown_kind_is_left_for_others(postgres_server: Postgres) -> None:
    async def take() -> None:
        async with members(postgres_server.new_url(), True) as (one,):
            await add(one.book, kind="future")
            large = await add(one.book, memory=JobMemory(2 << 20))

            assert await one.take(limit_bytes=1 << 20) == []
            assert await one.take(limit_bytes=2 << 20) == [large.id]
            assert await one.cluster.queued() == 2

    asyncio.run(take())


def test_one_key_that_two_submit_at_once_makes_one_job(postgres_server: Postgres) -> None:
    async def submit() -> None:
        async with members(postgres_server.new_url(), True, True) as found:
            entered = await asyncio.gather(
                *(one.book.add(new_job(idempotency_key=f"k{number}"), [], []) for number in range(10) for one in found)
            )

            assert len({job.id for job, _ in entered}) == 10
            assert sum(is_new for _, is_new in entered) == 10

    asyncio.run(submit())


def test_no_more_wait_than_may_where_two_machines_enter_jobs_at_once(postgres_server: Postgres) -> None:
    async def submit() -> None:
        async with members(postgres_server.new_url(), True, True) as found:
            adding = [one.book.add(new_job(), [], [], 5) for _ in range(10) for one in found]
            entered = await asyncio.gather(*adding, return_exceptions=True)

            assert sum(isinstance(one, QueueFull) for one in entered) == 15
            assert len((await found[0].book.page(20, None, None, None)).jobs) == 5

    asyncio.run(submit())


def test_jobs_of_a_silent_machine_go_back_once_without_what_was_on_its_disk(postgres_server: Postgres) -> None:
    url = postgres_server.new_url()

    async def take_over() -> None:
        async with members(url, True, True, True) as (dead, one, two):
            job = await add(dead.book)
            await dead.take()
            running = job.moved(JobState.RUNNING)
            for place, is_local in ((0, True), (1, False)):
                await dead.steps.begin(running, place)
                await dead.cluster.note_local(job.id, place, is_local)
                await dead.steps.finish(running, place, {"place": place})
            assert await one.cluster.take_over(SILENT_SECONDS) == []

            silence(postgres_server, url, 0)
            taken = await asyncio.gather(*(member.cluster.take_over(SILENT_SECONDS) for member in (one, two)))

            ((found,),) = [jobs for jobs in taken if jobs]
            assert (found.id, found.run, found.state) == (job.id, 2, JobState.RUNNING)
            assert found.progress == pytest.approx(2 / 6, abs=1e-4)
            assert await two.steps.results(job.id) == {"part-1": {"place": 1}}
            assert (await two.steps.get(job.id, 0)).begun == 1
            assert await two.take() == [job.id]

    asyncio.run(take_over())


def test_who_lost_a_job_writes_nothing_of_it(postgres_server: Postgres) -> None:
    url = postgres_server.new_url()

    async def write_late() -> None:
        async with members(url, True, True) as (asleep, other):
            job = await add(asleep.book)
            await asleep.take()
            silence(postgres_server, url, 0)
            await other.cluster.take_over(SILENT_SECONDS)
            (taken,) = await other.cluster.take(Demand(1, ("count",), 1 << 30, ANY))
            late = job.moved(JobState.RUNNING)

            for writing in (
                asleep.steps.begin(late, 0),
                asleep.steps.finish(late, 0, {"late": True}),
                asleep.steps.close(late.moved(JobState.SUCCEEDED), ("https://example.com/", 1.0)),
                asleep.book.save(late),
            ):
                with pytest.raises(NotFound):
                    await writing

            assert await other.book.get(job.id) == taken
            written = await other.steps.get(job.id, 0)
            assert (written.begun, written.is_done) == (0, False)
            assert await other.hooks.next_at(0.0) is None

    asyncio.run(write_late())


def test_only_what_nobody_alive_has_can_be_ended_elsewhere_all_else_is_called_off(postgres_server: Postgres) -> None:
    url = postgres_server.new_url()

    async def cancel() -> None:
        async with members(url, True, False) as (worker, door):
            job = await add(door.book)
            await worker.take()

            assert await door.cluster.take_one(job.id, SILENT_SECONDS) is None
            await door.cluster.call_off(job.id)
            assert [is_wanted for _, is_wanted in await worker.cluster.mine()] == [False]
            silence(postgres_server, url, 0)
            taken = await door.cluster.take_one(job.id, SILENT_SECONDS)
            assert taken is not None
            await door.steps.close(taken.moved(JobState.CANCELLED), None)
            again = taken.moved(JobState.CANCELLED).moved(JobState.QUEUED, run=taken.run + 1)
            await door.book.retry(again)
            await door.cluster.release(job.id, SILENT_SECONDS)

            assert await worker.take() == [job.id]
            assert [is_wanted for _, is_wanted in await worker.cluster.mine()] == [True]

    asyncio.run(cancel())


def test_what_was_not_begun_can_be_handed_back(postgres_server: Postgres) -> None:
    async def stop() -> None:
        async with members(postgres_server.new_url(), True, True) as (one, two):
            begun, waiting = [await add(one.book) for _ in range(2)]
            await one.take()
            await one.steps.begin(begun.moved(JobState.RUNNING), 0)

            await one.cluster.hand_back([begun.id, waiting.id])

            assert await two.take() == [waiting.id]
            assert (await two.book.get(waiting.id)).run == 2

    asyncio.run(stop())


def test_parts_of_what_is_handed_back_count_as_not_done(postgres_server: Postgres) -> None:
    async def stop() -> None:
        async with members(postgres_server.new_url(), True, True) as (one, two):
            job = await add(one.book)
            await one.take()
            running = job.moved(JobState.RUNNING)
            for place, is_local in ((0, True), (1, False)):
                await one.steps.begin(running, place)
                await one.cluster.note_local(job.id, place, is_local)
                await one.steps.finish(running, place, {"place": place})
            failed = running.moved(JobState.FAILED)
            await one.steps.close(failed, None)
            await one.book.retry(failed.moved(JobState.QUEUED, run=2))

            await one.cluster.hand_back([job.id])

            assert await two.take() == [job.id]
            assert await two.steps.results(job.id) == {"part-1": {"place": 1}}

    asyncio.run(stop())


def test_a_webhook_is_given_to_one_at_a_time_however_late_it_is(postgres_server: Postgres) -> None:
    async def send() -> None:
        async with members(postgres_server.new_url(), True, True) as (one, two):
            job = await add(one.book)
            await one.steps.close(job.moved(JobState.CANCELLED), ("https://example.com/", 100.0))
            now = time.time()

            given = [await member.hooks.due(now, 20) for member in (one, two)]

            assert [len(hooks) for hooks in given] == [1, 0]
            assert len(await two.hooks.due(now + LEASE_SECONDS + 60.0, 20)) == 1

    asyncio.run(send())


def test_newest_events_are_told_of_jobs_that_are_there(postgres_server: Postgres) -> None:
    async def ask() -> None:
        async with members(postgres_server.new_url(), True) as (one,):
            job = await add(one.book)
            await one.book.save(job.changed(progress=0.5))

            assert await one.cluster.sequences([job.id, "j0"]) == {job.id: job.sequence + 1}

    asyncio.run(ask())


def test_what_the_database_cannot_keep_is_the_fault_of_the_request(postgres_server: Postgres) -> None:
    async def enter() -> None:
        async with members(postgres_server.new_url(), True) as (one,):
            with pytest.raises(InvalidParameter):
                await add(one.book, idempotency_key="a\0b")

            assert await one.book.unfinished() == []

    asyncio.run(enter())


def test_a_lost_connection_is_made_anew_and_a_lost_server_is_a_named_problem() -> None:
    with postgres() as server:
        url = server.new_url()

        async def lose() -> None:
            async with members(url, True) as (one,):
                job = await add(one.book)
                server.stop()
                with pytest.raises(StorageUnavailable, match="database") as problem:
                    await one.book.get(job.id)
                server.start()
                await asyncio.sleep(cluster_database.PAUSE_SECONDS)
                assert await one.book.get(job.id) == job
                assert problem.value.retry_after_seconds
                server.stop()
                server.start()

                assert await one.book.get(job.id) == job  # the connection was lost, the server was not

        asyncio.run(lose())


_LOOK = """
import asyncio, sys
from app.jobs.book.jobs import Book
from app.jobs.cluster.database import ClusterDatabase

async def look():
    database = ClusterDatabase(sys.stdin.read())
    assert "psycopg" not in sys.modules
    assert await Book(database).unfinished() == []
    await database.aclose()

asyncio.run(look())
assert "psycopg" in sys.modules
assert not {"dbos", "sqlalchemy"} & set(sys.modules)
"""


def test_a_shared_book_brings_its_driver_with_the_first_call_and_no_engine(postgres_server: Postgres) -> None:
    command = [sys.executable, "-c", _LOOK]
    url = postgres_server.new_url()

    ended = subprocess.run(command, input=url, cwd=REPOSITORY, capture_output=True, text=True, timeout=50, check=False)

    assert ended.returncode == 0, ended.stderr
