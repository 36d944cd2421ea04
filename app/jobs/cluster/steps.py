"""The steps of a shared book: which of them have left something on this machine's disk is written down, too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from app.jobs.book.steps import StepBook
from app.jobs.book.transactions import Connection, Transactions
from app.jobs.cluster.book import ClusterBook, hold
from app.jobs.folders import Folders, Trace
from app.jobs.job import Job
from app.jobs.plan import Json

T = TypeVar("T")


class ClusterStepBook(StepBook):
    """A step that leaves files in its job's folder is done again by another machine; one that has only returned a
    result, and kept items in the store, is not.

    All that is written raises NotFound where the job went to another machine.
    """

    def __init__(self, database: Transactions, cluster: ClusterBook, folders: Folders) -> None:
        super().__init__(database)
        self._cluster = cluster
        self._folders = folders
        self._before: dict[str, frozenset[Trace]] = {}

    async def begin(self, job: Job, place: int) -> None:
        before = await self._folders.traces(job.id)  # first: a disk that does not answer counts as no beginning
        await super().begin(job, place)
        self._before[job.id] = before

    async def take_back(self, job_id: str, place: int, *, failed: bool) -> None:
        await StepBook(self._held(job_id)).take_back(job_id, place, failed=failed)

    async def finish(self, job: Job, place: int, result: Json) -> None:
        made = await self._folders.traces(job.id) - self._before.get(job.id, frozenset())
        await self._cluster.note_local(job.id, place, bool(made))
        await super().finish(job, place, result)
        self._before.pop(job.id, None)

    async def close(self, job: Job, hook: tuple[str, float] | None) -> None:
        await super().close(job, hook)
        self._before.pop(job.id, None)

    async def keep(self, job_id: str, step: str, name: str, media_id: str) -> str:
        return await StepBook(self._held(job_id)).keep(job_id, step, name, media_id)

    def _held(self, job_id: str) -> Transactions:
        return _Held(self._database, partial(hold, self._cluster.instance.name, job_id))


@dataclass(frozen=True, slots=True)
class _Held:
    """Writes that look first (`hold`) whether the job is still this machine's."""

    database: Transactions
    hold: Callable[[Connection], None]

    async def exists(self) -> bool:
        return await self.database.exists()

    async def write(self, transaction: Callable[[Connection], T]) -> T:
        return await self.database.write(partial(self._after, transaction))

    async def read(self, transaction: Callable[[Connection], T]) -> T:
        return await self.database.read(transaction)

    async def aclose(self) -> None:
        await self.database.aclose()

    def _after(self, transaction: Callable[[Connection], T], connection: Connection) -> T:
        self.hold(connection)
        return transaction(connection)
