"""The book of jobs."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

from app.errors import InvalidParameter, NotFound, StorageUnavailable
from app.ffmpeg.probe import AudioStream, Probe, VideoStream
from app.jobs.book import Input
from app.jobs.job import JobMemory
from app.jobs.states import JobState
from tests.jobs.books import STEPS, add, new_job, open_book

PROBE = Probe(
    duration_seconds=2.5,
    start_seconds=0.0,
    bit_rate=None,
    video=VideoStream("h264", 160, 90, 160, 90, 0, 25.0, False, 62, "yuv420p"),
    audio=AudioStream("aac", 48000, 2),
)


def test_what_was_entered_is_read_back_whole_by_the_next_run(tmp_path: Path) -> None:
    async def write_and_read() -> None:
        job = new_job(priority=3, webhook="https://example.com/", memory=JobMemory(5, 4, "LOW", 1))
        async with open_book(tmp_path) as (book, _):
            entered, is_new = await book.add(job, [Input("a", PROBE), Input("b", None)], STEPS)
        async with open_book(tmp_path) as (book, _):
            assert is_new
            assert await book.get(job.id) == entered
            assert await book.inputs(job.id) == [Input("a", PROBE), Input("b", None)]

    asyncio.run(write_and_read())


def test_a_key_is_unique_per_client(tmp_path: Path) -> None:
    async def enter() -> None:
        async with open_book(tmp_path) as (book, _):
            first = await add(book, idempotency_key="k")
            again = await add(book, idempotency_key="k")
            other = await add(book, idempotency_key="k", client="another")

            assert again == first
            assert other.id != first.id
            assert await book.with_key("client", "k") == first
            assert await book.with_key("nobody", "k") is None

    asyncio.run(enter())


def test_pages_give_every_job_once_newest_first(tmp_path: Path) -> None:
    async def list_all() -> None:
        async with open_book(tmp_path) as (book, _):
            entered = [await add(book, kind="count" if number % 2 else "other") for number in range(7)]
            found, cursor = [], None
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
def test_a_cursor_that_is_none_is_refused(tmp_path: Path, cursor: str) -> None:
    async def ask() -> None:
        async with open_book(tmp_path) as (book, _):
            with pytest.raises(InvalidParameter, match="cursor"):
                await book.page(10, cursor, None, None)

    asyncio.run(ask())


def test_an_item_is_needed_until_every_job_with_it_is_finished(tmp_path: Path) -> None:
    async def finish() -> None:
        async with open_book(tmp_path) as (book, steps):
            job = await add(book)
            assert await book.needs("media")
            assert not await book.needs("another")

            await steps.close(job.moved(JobState.CANCELLED), None)

            assert not await book.needs("media")

    asyncio.run(finish())


def test_nothing_is_made_by_those_who_only_look(tmp_path: Path) -> None:
    async def look() -> None:
        async with open_book(tmp_path) as (book, _):
            assert await book.unfinished() == []
            assert (await book.page(10, None, None, None)).jobs == ()
            with pytest.raises(NotFound):
                await book.get("j1")

    asyncio.run(look())

    assert list(tmp_path.iterdir()) == []


def test_a_step_is_done_once_its_result_is_written(tmp_path: Path) -> None:
    async def work() -> None:
        async with open_book(tmp_path) as (book, steps):
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


def test_the_item_of_a_name_is_decided_once(tmp_path: Path) -> None:
    async def keep() -> None:
        async with open_book(tmp_path) as (book, steps):
            job = await add(book)

            assert await steps.keep(job.id, "part-0", "a.mp4", "first") == "first"
            assert await steps.keep(job.id, "part-0", "a.mp4", "second") == "first"
            assert await steps.keep(job.id, "part-1", "a.mp4", "third") == "third"
            assert await steps.kept(job.id) == ["first", "third"]

    asyncio.run(keep())


def test_a_deleted_job_leaves_no_row(tmp_path: Path) -> None:
    async def delete() -> None:
        async with open_book(tmp_path) as (book, steps):
            job = await add(book, webhook="https://example.com/")
            await steps.keep(job.id, "part-0", "a.mp4", "first")
            await steps.close(job.moved(JobState.CANCELLED), ("https://example.com/", 1.0))
            await book.delete(job.id)

    asyncio.run(delete())

    with sqlite3.connect(tmp_path / "jobs" / "book.sqlite3") as connection:
        tables = ("job", "input", "step", "kept", "webhook")
        assert [connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables] == [0] * 5


def test_a_book_that_is_none_is_a_named_problem(tmp_path: Path) -> None:
    async def open_broken() -> None:
        (tmp_path / "jobs").mkdir()
        (tmp_path / "jobs" / "book.sqlite3").write_bytes(b"this is no database at all" * 100)
        async with open_book(tmp_path) as (book, _):
            with pytest.raises(StorageUnavailable, match="broken"):
                await book.unfinished()

    asyncio.run(open_broken())


def test_a_locked_book_is_a_named_problem_and_works_again_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.jobs.database._BUSY_MILLISECONDS", 50)

    async def write_while_locked() -> None:
        async with open_book(tmp_path) as (book, _):
            await add(book)
            other = sqlite3.connect(tmp_path / "jobs" / "book.sqlite3", isolation_level=None)
            other.execute("BEGIN EXCLUSIVE")
            with pytest.raises(StorageUnavailable, match="locked"):
                await add(book)
            other.execute("ROLLBACK")
            other.close()
            await add(book)

    asyncio.run(write_while_locked())


def test_a_book_that_was_removed_is_begun_anew(tmp_path: Path) -> None:
    async def remove() -> None:
        async with open_book(tmp_path) as (book, _):
            job = await add(book)
            for path in (tmp_path / "jobs").iterdir():
                path.unlink()
            with pytest.raises(NotFound):
                await book.get(job.id)
            assert (await book.get((await add(book)).id)).state is JobState.QUEUED

    asyncio.run(remove())
