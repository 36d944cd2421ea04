"""What clients may do with jobs that are in the book: look, cancel, retry, delete."""

from __future__ import annotations

from app.errors import Conflict
from app.jobs.book.jobs import Book, JobPage
from app.jobs.dispatch import Dispatch
from app.jobs.endings import Endings
from app.jobs.engine.lifecycle import EngineRoom
from app.jobs.folders import Folders
from app.jobs.job import Job
from app.jobs.keeping import Keeper
from app.jobs.states import JobState
from app.jobs.tickets import Tickets
from app.storage.threads import finish


class Desk:
    """All methods raise NotFound where there is no such job, StorageUnavailable where the book cannot be used."""

    def __init__(
        self,
        book: Book,
        tickets: Tickets,
        endings: Endings,
        engine: EngineRoom,
        folders: Folders,
        keeper: Keeper,
        dispatch: Dispatch,
    ) -> None:
        self._book = book
        self._tickets = tickets
        self._endings = endings
        self._engine = engine
        self._folders = folders
        self._keeper = keeper
        self._dispatch = dispatch

    async def get(self, job_id: str) -> Job:
        ticket = self._tickets.find(job_id)
        return ticket.job if ticket is not None and ticket.job is not None else await self._book.get(job_id)

    async def page(self, limit: int, cursor: str | None, state: JobState | None, kind: str | None) -> JobPage:
        """Return up to `limit` jobs, newest first, after `cursor`.

        Raises:
            InvalidParameter: it is not one of our cursors.
        """
        page = await self._book.page(limit, cursor, state, kind)
        return JobPage(tuple(self._newest(job) for job in page.jobs), page.next_cursor)

    async def cancel(self, job_id: str) -> Job:
        """End a job; on return nothing runs for it, and its files are gone. One that is finished stays as it is."""
        job = await self.get(job_id)
        ticket = self._tickets.find(job_id)
        if ticket is None:
            return job if job.state.is_finished else await self._dispatch.cancel(job)
        try:
            await self._engine.stop_work(ticket)
            job = await self._book.get(job_id)
            if job.state.is_finished:  # it ended in this very moment
                return job
            return await self._endings.cancel(ticket.job or job)
        except BaseException:
            self._engine.go_on(ticket)
            raise

    async def retry(self, job_id: str) -> Job:
        """Have a failed or cancelled job begin again, at the first step that is not done.

        Raises:
            Conflict: it is not finished, or it succeeded, or another retry was quicker.
        """
        if self._tickets.find(job_id) is not None:  # what ends it closes its ticket last: not that of the next run
            raise Conflict("The job is not finished: only a failed or cancelled one can be tried again.")
        job = await self._book.get(job_id)
        if job.state not in (JobState.FAILED, JobState.CANCELLED):
            raise Conflict(f"The job is {job.state.value}: only a failed or cancelled one can be tried again.")
        again = job.moved(
            JobState.QUEUED,
            run=job.run + 1,
            error=None,
            started_at=None,
            finished_at=None,
            eta_seconds=None,
            progress=0.0,
            step="waiting for its turn",
        )
        await finish(self._retry(again))
        return again

    async def delete(self, job_id: str, *, with_results: bool) -> None:
        """Forget a finished job; its results stay, if they are not to go too.

        Raises:
            Conflict: it is not finished.
        """
        job = await self._book.get(job_id)
        if not job.state.is_finished or self._tickets.find(job_id) is not None:
            raise Conflict(f"The job is {job.state.value}: cancel it first.")
        if with_results:
            await self._keeper.discard(job_id)
        await self._folders.remove(job_id)
        await self._book.delete(job_id)

    async def _retry(self, job: Job) -> None:
        await self._book.retry(job)
        await self._dispatch.retried(job)

    def _newest(self, job: Job) -> Job:
        ticket = self._tickets.find(job.id)
        return job if ticket is None or ticket.job is None else ticket.job
