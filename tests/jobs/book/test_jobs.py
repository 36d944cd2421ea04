"""The book of jobs in a file. What every book does is in `test_books`."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

from app.errors import NotFound, StorageUnavailable
from app.jobs.states import JobState
from tests.jobs.books import add, open_book


def test_nothing_is_made_by_those_who_only_look(tmp_path: Path) -> None:
    async def look() -> None:
        async with open_book(tmp_path) as (book, _):
            assert await book.unfinished() == []
            assert (await book.page(10, None, None, None)).jobs == ()
            with pytest.raises(NotFound):
                await book.get("j1")

    asyncio.run(look())

    assert list(tmp_path.iterdir()) == []


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
    monkeypatch.setattr("app.jobs.book.database._BUSY_MILLISECONDS", 50)

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
