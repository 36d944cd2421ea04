"""A book of jobs in a folder of a test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from app.jobs.book.database import Database
from app.jobs.book.jobs import Book, Input
from app.jobs.book.steps import StepBook
from app.jobs.book.tables import SCHEMA
from app.jobs.cluster.database import ClusterDatabase
from app.jobs.job import Job, new_id
from app.jobs.plan import Step
from app.storage.threads import DiskThreads
from tests.jobs.postgres import Postgres

STEPS = [Step(f"part-{number}", f"part {number}", weight=number + 1.0, args={"number": number}) for number in range(3)]


@asynccontextmanager
async def open_book(folder: Path) -> AsyncIterator[tuple[Book, StepBook]]:
    disk = DiskThreads()
    database = Database(folder / "jobs" / "book.sqlite3", SCHEMA, disk)
    try:
        yield Book(database), StepBook(database)
    finally:
        await database.aclose()
        await disk.aclose()


@asynccontextmanager
async def open_shared_book(url: str) -> AsyncIterator[tuple[Book, StepBook]]:
    """Give a book in a PostgreSQL database."""
    database = ClusterDatabase(url)
    try:
        yield Book(database), StepBook(database)
    finally:
        await database.aclose()


OpenBook = Callable[[], AbstractAsyncContextManager[tuple[Book, StepBook]]]


@pytest.fixture(params=["sqlite", "postgresql"])
def open_either(request: pytest.FixtureRequest, tmp_path: Path) -> OpenBook:
    """Give what opens a book of either kind: the same one each time."""
    if request.param == "sqlite":
        return partial(open_book, tmp_path)
    server: Postgres = request.getfixturevalue("postgres_server")
    return partial(open_shared_book, server.new_url())


def new_job(**members: object) -> Job:
    given = {
        "id": new_id(),
        "kind": "count",
        "client": "client",
        "inputs": ("media",),
        "is_list": False,
        "params": {"steps": 3},
        "priority": 0,
        "created_at": 1000.0,
        "machine": "here",
        "step_count": len(STEPS),
    }
    return Job(**{**given, **members})  # type: ignore[arg-type]


async def add(book: Book, **members: object) -> Job:
    return (await book.add(new_job(**members), [Input("media", None)], STEPS))[0]
