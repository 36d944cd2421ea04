"""Who works on the jobs that clients submit: this service alone, or several that share a book (`cluster.dispatch`)."""

from __future__ import annotations

from typing import Protocol

from app.jobs.book.jobs import Book
from app.jobs.folders import Folders
from app.jobs.job import Job
from app.jobs.tickets import Tickets


class Dispatch(Protocol):
    """All methods raise StorageUnavailable where the book cannot be used."""

    async def queued(self) -> int:
        """Return how many jobs wait to be begun."""
        ...

    async def promise(self, job: Job, beside_bytes: int) -> None:
        """A job is about to be written into the book; `beside_bytes`: what copies of its inputs take for a while.

        Raises:
            StorageFull: there is no room for the files that it will need.
        """
        ...

    async def withdraw(self, job_id: str) -> None:
        """It was not written."""
        ...

    async def entered(self, job: Job, /) -> None:
        """It was."""
        ...

    async def retried(self, job: Job) -> None:
        """A job that had ended is in the book to begin again."""
        ...

    async def cancel(self, job: Job) -> Job:
        """End a job that this service does not work on; return it as it is then."""
        ...


class Alone:
    """Every job that is not finished is this service's."""

    def __init__(self, book: Book, tickets: Tickets, folders: Folders) -> None:
        self._book = book
        self._tickets = tickets
        self._folders = folders

    async def queued(self) -> int:
        return self._tickets.queued

    async def promise(self, job: Job, beside_bytes: int) -> None:
        await self._folders.promise(job.id, job.disk_bytes, beside_bytes)

    async def withdraw(self, job_id: str) -> None:
        await self._folders.remove(job_id)

    async def entered(self, job: Job, /) -> None:
        self._tickets.open(job)

    async def retried(self, job: Job) -> None:
        try:
            await self._folders.restore(job.id, job.disk_bytes)
        finally:
            self._tickets.open(job)

    async def cancel(self, job: Job) -> Job:
        """Nothing is to be done: what has no ticket is finished."""
        return await self._book.get(job.id)
