"""The steps of a shared book: which of them have left something on this machine's disk is written down, too."""

from __future__ import annotations

from app.jobs.book.steps import StepBook
from app.jobs.book.transactions import Transactions
from app.jobs.cluster.book import ClusterBook
from app.jobs.folders import Folders, Trace
from app.jobs.job import Job
from app.jobs.plan import Json


class ClusterStepBook(StepBook):
    """A step that leaves files in its job's folder is done again by another machine; one that has only returned a
    result, and kept items in the store, is not."""

    def __init__(self, database: Transactions, cluster: ClusterBook, folders: Folders) -> None:
        super().__init__(database)
        self._cluster = cluster
        self._folders = folders
        self._before: dict[str, frozenset[Trace]] = {}

    async def begin(self, job: Job, place: int) -> None:
        await super().begin(job, place)
        self._before[job.id] = await self._folders.traces(job.id)

    async def finish(self, job: Job, place: int, result: Json) -> None:
        made = await self._folders.traces(job.id) - self._before.get(job.id, frozenset())
        await self._cluster.note_local(job.id, place, bool(made))
        await super().finish(job, place, result)
        self._before.pop(job.id, None)
