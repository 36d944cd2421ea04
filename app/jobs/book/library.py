"""The book of jobs and what belongs to it, in a file of this machine or in a database that several share."""

from __future__ import annotations

import socket
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from app.core import Core
from app.jobs.book.database import Database
from app.jobs.book.hooks import HookBook
from app.jobs.book.jobs import Book
from app.jobs.book.steps import StepBook
from app.jobs.book.tables import SCHEMA
from app.jobs.cluster.book import ClusterBook, Instance
from app.jobs.cluster.database import ClusterDatabase
from app.jobs.cluster.steps import ClusterStepBook
from app.jobs.engine.machine import machine_name
from app.jobs.folders import Folders
from app.settings import JobsSettings


@dataclass(frozen=True, slots=True)
class Library:
    """`shared` is there where several machines share the book. `executor`: what the jobs child is called in its own
    database: with a file of its own there is no other."""

    book: Book
    steps: StepBook
    hooks: HookBook
    shared: ClusterBook | None
    executor: str


def is_shared(settings: JobsSettings) -> bool:
    """Whether several machines may share the book."""
    return settings.database_url is not None and settings.database_url.startswith("postgresql")


async def open_library(core: Core, root: Path, folders: Folders, stack: AsyncExitStack) -> Library:
    """Open it; nothing is read yet, and a database that does not answer is no reason not to serve."""
    settings = core.settings.jobs
    if settings.database_url is None or not is_shared(settings):
        file = Database(root / "book.sqlite3", SCHEMA, core.disk)
        stack.push_async_callback(file.aclose)
        return Library(Book(file), StepBook(file), HookBook(file), None, "local")
    database = ClusterDatabase(settings.database_url)
    stack.push_async_callback(database.aclose)
    name = await core.disk.run(machine_name, core.settings.storage.root.absolute() / "state")
    shared = ClusterBook(database, Instance(name, socket.gethostname(), settings.run))
    steps = ClusterStepBook(database, shared, folders)
    return Library(Book(database), steps, HookBook(database), shared, name)
