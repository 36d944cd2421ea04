"""What every book of jobs does, in a file and in PostgreSQL."""

from __future__ import annotations

import asyncio

import pytest

from app.errors import InvalidParameter
from app.ffmpeg.probe import AudioStream, Probe, VideoStream
from app.jobs.book.hooks import HookBook
from app.jobs.book.jobs import Input
from app.jobs.book.transactions import Connection, Transactions
from app.jobs.job import Job, JobMemory
from app.jobs.states import JobState
from tests.jobs.books import STEPS, OpenBook, add, new_job

PROBE = Probe(
    duration_seconds=2.5,
    start_seconds=0.0,
    bit_rate=None,
    video=VideoStream("h264", 160, 90, 160, 90, 0, 25.0, False, 62, "yuv420p"),
    audio=AudioStream("aac", 48000, 2),
)


def test_what_was_entered_is_read_back_whole_by_the_next_run(open_either: OpenBook) -> None:
    async def write_and_read() -> None:
        job = new_job(priority=3, webhook="https://example.com/", memory=JobMemory(5, 4, "LOW", 1))
        async with open_either() as (book, _):
            entered, is_new = await book.add(job, [Input("a", PROBE), Input("b", None)], STEPS)
        async with open_either() as (book, _):
            assert is_new
            assert await book.get(job.id) == entered
            assert await book.inputs(job.id) == [Input("a", PROBE), Input("b", None)]

    asyncio.run(write_and_read())


def test_of_two_retries_at_once_one_is_a_conflict(open_either: OpenBook) -> None:
    async def try_again() -> None:
        async with open_either() as (book, _):
            job = await add(book)
            await book.save(job.moved(JobState.CANCELLED))
            again = (await book.get(job.id)).moved(JobState.QUEUED, run=2)

            found = await asyncio.gather(book.retry(again), book.retry(again), return_exceptions=True)

            assert sorted(type(one).__name__ for one in found) == ["Conflict", "NoneType"]
            assert (await book.get(job.id)).run == 2

    asyncio.run(try_again())


def test_no_more_wait_than_may_however_many_are_entered_at_once(open_either: OpenBook) -> None:
    async def enter() -> None:
        async with open_either() as (book, _):
            adding = (book.add(new_job(idempotency_key=f"k{number}"), [], STEPS, 3) for number in range(8))
            found = await asyncio.gather(*adding, return_exceptions=True)
            known = await book.add(new_job(idempotency_key="k0"), [], STEPS, 3)
            page = await book.page(10, None, None, None)

            assert sorted(type(one).__name__ for one in found) == ["QueueFull"] * 5 + ["tuple"] * 3
            assert len(page.jobs) == 3
            assert not known[1]

    asyncio.run(enter())


def test_a_key_is_that_of_one_job_whoever_sends_it(open_either: OpenBook) -> None:
    async def enter() -> None:
        async with open_either() as (book, _):
            first = await add(book, idempotency_key="k")
            again = await add(book, idempotency_key="k")
            of_another = await add(book, idempotency_key="k", client="another")
            other = await add(book, idempotency_key="l")

            assert again == of_another == first
            assert other.id != first.id
            assert await book.with_key("k") == first
            assert await book.with_key("m") is None

    asyncio.run(enter())


def test_pages_give_every_job_once_newest_first(open_either: OpenBook) -> None:
    async def list_all() -> None:
        async with open_either() as (book, _):
            entered = [await add(book, kind="count" if number % 2 else "other") for number in range(7)]
            found: list[Job] = []
            cursor: str | None = None
            while True:
                page = await book.page(3, cursor, None, None)
                found += page.jobs
                if (cursor := page.next_cursor) is None:
                    break
            of_kind = await book.page(100, None, JobState.QUEUED, "count")

            assert [job.id for job in found] == [job.id for job in reversed(entered)]
            assert {job.kind for job in of_kind.jobs} == {"count"}
            assert len(of_kind.jobs) == 3
            assert (await book.page(100, None, JobState.FAILED, None)).jobs == ()

    asyncio.run(list_all())


@pytest.mark.parametrize("cursor", ["x", "-1", "1.5", "9" * 30, "\u0661"])
def test_a_cursor_that_is_none_is_refused(open_either: OpenBook, cursor: str) -> None:
    async def ask() -> None:
        async with open_either() as (book, _):
            with pytest.raises(InvalidParameter, match="cursor"):
                await book.page(10, cursor, None, None)

    asyncio.run(ask())


async def _count(database: Transactions, table: str) -> int:
    return int(
        (await database.read(lambda connection: connection.execute(f"SELECT count(*) FROM {table}").fetchone()))[0]
    )


def test_a_deleted_job_leaves_no_row(open_either: OpenBook) -> None:
    async def delete() -> None:
        async with open_either() as (book, steps):
            job = await add(book, webhook="https://example.com/")
            await steps.keep(job.id, "part-0", "a.mp4", "first")
            await steps.close(job.moved(JobState.CANCELLED), ("https://example.com/", 1.0))
            await book.delete(job.id)

            for table in ("job", "input", "step", "kept", "webhook"):
                assert await _count(book.database, table) == 0, table

    asyncio.run(delete())


def test_what_comes_back_is_at_its_first_try_again(open_either: OpenBook) -> None:
    async def retry() -> None:
        async with open_either() as (book, steps):
            job = await add(book, webhook="https://example.com/")
            begun = job.moved(JobState.RUNNING, started_at=4.0, attempts=1)
            await steps.begin(begun, 0)
            await steps.take_back(job.id, 0, failed=True)
            await steps.take_back(job.id, 0, failed=False)
            failed = begun.moved(JobState.FAILED, finished_at=5.0)
            await steps.close(failed, ("https://example.com/", 1.0))
            assert [one.id for one in await book.finished_before(6.0, 10)] == [job.id]
            assert await book.unfinished() == []

            await book.retry(failed.moved(JobState.QUEUED, run=2, started_at=None, finished_at=None))

            written = await steps.get(job.id, 0)
            assert (written.begun, written.failures) == (0, 0)
            assert [(one.run, one.attempts, one.started_at) for one in await book.unfinished()] == [(2, 1, None)]
            assert await _count(book.database, "webhook") == 0

    asyncio.run(retry())


def test_a_broken_transaction_leaves_nothing(open_either: OpenBook) -> None:
    def break_off(connection: Connection) -> None:
        connection.execute("DELETE FROM job")
        raise ValueError("in the middle")

    async def try_it() -> None:
        async with open_either() as (book, _):
            job = await add(book)
            with pytest.raises(ValueError, match="in the middle"):
                await book.database.write(break_off)

            assert await book.get(job.id) == job

    asyncio.run(try_it())


def test_webhooks_are_given_when_they_are_due(open_either: OpenBook) -> None:
    async def ask() -> None:
        async with open_either() as (book, steps):
            job = await add(book)
            hooks = HookBook(book.database)
            await steps.close(job.moved(JobState.CANCELLED), ("https://example.com/", 100.0))
            assert await hooks.due(99.0, 9) == []
            assert await hooks.next_at(99.0) == 100.0
            assert await hooks.next_at(100.0) is None

            (hook,) = await hooks.due(101.0, 9)
            assert (hook.job_id, hook.url, hook.since, hook.tries) == (job.id, "https://example.com/", 100.0, 0)
            await hooks.put_off(hook, 200.0)
            assert await hooks.due(150.0, 9) == []
            (again,) = await hooks.due(201.0, 9)
            assert again.tries == 1
            await hooks.done(again)
            assert await hooks.next_at(0.0) is None

    asyncio.run(ask())


def test_made_items_are_found_by_what_they_were_made_from(open_either: OpenBook) -> None:
    async def ask() -> None:
        async with open_either() as (book, steps):
            made = []
            for number in range(2):
                job = await add(book, kind="hls")
                made.append(await steps.keep(job.id, "part-0", "a.hls", f"package-{number}"))
                await steps.close(job.moved(JobState.RUNNING).moved(JobState.SUCCEEDED, finished_at=5.0 + number), None)

            assert await book.made_from("hls", "media") == made[::-1]
            assert await book.made_from("clip", "media") == []

    asyncio.run(ask())


def test_an_item_is_needed_until_every_job_with_it_is_finished(open_either: OpenBook) -> None:
    async def finish() -> None:
        async with open_either() as (book, steps):
            job = await add(book)
            assert await book.needs("media")
            assert not await book.needs("another")

            await steps.close(job.moved(JobState.CANCELLED), None)

            assert not await book.needs("media")

    asyncio.run(finish())


def test_a_step_is_done_once_its_result_is_written(open_either: OpenBook) -> None:
    async def work() -> None:
        async with open_either() as (book, steps):
            job = await add(book)
            await steps.begin(job.moved(JobState.RUNNING), 0)
            begun = await steps.get(job.id, 0)
            await steps.finish(job.moved(JobState.RUNNING), 0, {"frames": 5})
            done, following = await steps.get(job.id, 0), await steps.get(job.id, 1)

            assert (begun.begun, begun.is_done, begun.is_next) == (1, False, True)
            assert (done.is_done, done.is_next) == (True, False)
            assert (following.is_next, following.done_weight, following.total_weight) == (True, 1.0, 6.0)
            assert following.step == STEPS[1]
            assert await steps.results(job.id) == {"part-0": {"frames": 5}}
            assert await steps.results(job.id, 0) == {}

    asyncio.run(work())


def test_the_item_of_a_name_is_decided_once(open_either: OpenBook) -> None:
    async def keep() -> None:
        async with open_either() as (book, steps):
            job = await add(book)

            assert await steps.keep(job.id, "part-0", "a.mp4", "first") == "first"
            assert await steps.keep(job.id, "part-0", "a.mp4", "second") == "first"
            assert await steps.keep(job.id, "part-1", "a.mp4", "third") == "third"
            assert await steps.kept(job.id) == ["first", "third"]

    asyncio.run(keep())
