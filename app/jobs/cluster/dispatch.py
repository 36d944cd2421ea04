"""What clients want of jobs that several machines may work on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from app.jobs.book.jobs import Book
from app.jobs.cluster.book import ClusterBook
from app.jobs.endings import Endings
from app.jobs.folders import Folders
from app.jobs.job import Job

SILENT_SECONDS = 30.0
"""After how long without a sign an instance counts as dead."""

_LOOKS = 100
_LOOK_SECONDS = 0.1
"""How often, and with which pauses, it is looked whether another machine has ended a job: then its client is told that
it has not yet."""


class ClusterDispatch:
    """Jobs go into the shared queue; one that is another machine's is cancelled by that, if it lives."""

    def __init__(
        self,
        books: tuple[Book, ClusterBook],
        endings: Endings,
        folders: Folders,
        silent_seconds: float = SILENT_SECONDS,
    ) -> None:
        self._book, self._cluster = books
        self._endings = endings
        self._folders = folders
        self._silent_seconds = silent_seconds
        self._ending: set[str] = set()
        self.called = asyncio.Event()
        """Set when there may be something to take from the queue."""

    def is_ending(self, job_id: str) -> bool:
        """Whether a job is just being ended here that nobody works on."""
        return job_id in self._ending

    async def queued(self) -> int:
        return await self._cluster.queued()

    async def promise(self, job: Job, beside_bytes: int) -> None:
        """See that this machine would have the room; whoever takes the job promises it on its own disk."""
        if self._cluster.instance.works:
            await self._folders.promise(job.id, job.disk_bytes, beside_bytes)
            await self._folders.remove(job.id)

    async def withdraw(self, job_id: str) -> None:
        """Nothing is held for it. It may be in the book all the same, when the connection was lost at its commit."""

    async def entered(self, _job: Job, /) -> None:
        self.called.set()

    async def retried(self, job: Job) -> None:
        """It goes on where its finished parts are, if that machine lives."""
        await self._cluster.release(job.id, self._silent_seconds)
        self.called.set()

    async def cancel(self, job: Job) -> Job:
        with self._ends(job.id):
            taken = await self._cluster.take_one(job.id, self._silent_seconds)
            if taken is not None:
                return await self._endings.cancel(taken)
        await self._cluster.call_off(job.id)
        self.called.set()
        for _ in range(_LOOKS):
            if (job := await self._book.get(job.id)).state.is_finished:
                break
            await asyncio.sleep(_LOOK_SECONDS)
        return job

    @contextmanager
    def _ends(self, job_id: str) -> Iterator[None]:
        self._ending.add(job_id)
        try:
            yield
        finally:
            self._ending.discard(job_id)
