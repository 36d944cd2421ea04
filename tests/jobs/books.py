"""A book of jobs in a folder of a test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from app.jobs.book import Book, Input
from app.jobs.database import Database
from app.jobs.job import Job, new_id
from app.jobs.plan import Step
from app.jobs.stepbook import StepBook
from app.jobs.tables import SCHEMA
from app.storage.threads import DiskThreads

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
