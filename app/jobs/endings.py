"""How jobs end: written down with the webhook that tells of it, and nothing of them is left but the results."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any

from app.errors import (
    BallastError,
    InternalError,
    Overloaded,
    ProcessingTimeout,
    StorageUnavailable,
    WorkerFailed,
)
from app.jobs.book.steps import StepBook
from app.jobs.counters import JobCounters
from app.jobs.folders import Folders
from app.jobs.job import Job
from app.jobs.keeping import Keeper
from app.jobs.states import JobState
from app.jobs.tickets import Tickets
from app.storage.threads import finish

logger = logging.getLogger("ballast.jobs")

TRANSIENT = (WorkerFailed, ProcessingTimeout, StorageUnavailable, Overloaded, InternalError)
"""By no fault of the input: such a step is tried again, and what a job has done by then is kept for a retry."""


class Endings:
    """A job that ended for good keeps nothing but its results; one that may be retried keeps its finished parts."""

    def __init__(
        self, steps: StepBook, tickets: Tickets, folders: Folders, keeper: Keeper, counters: JobCounters
    ) -> None:
        self._steps = steps
        self._tickets = tickets
        self._folders = folders
        self._keeper = keeper
        self._counters = counters

    async def succeed(self, job: Job, summary: Mapping[str, Any]) -> Job:
        """The last step is done."""
        ended = job.moved(
            JobState.SUCCEEDED, summary=summary, progress=1.0, step="done", eta_seconds=0.0, finished_at=time.time()
        )
        return await finish(self._close(ended, drops_results=False, drops_files=True))

    async def fail(self, job: Job, error: BallastError) -> Job:
        """It cannot be done."""
        problem = error.problem(None)
        ended = job.moved(JobState.FAILED, error=problem, eta_seconds=None, finished_at=time.time())
        is_final = not isinstance(error, TRANSIENT)
        self._counters.failures[job.kind, error.code] += 1
        logger.warning("a job failed", extra={"job": job.id, "kind": job.kind, "code": error.code})
        return await finish(self._close(ended, drops_results=is_final, drops_files=is_final))

    async def cancel(self, job: Job) -> Job:
        """A client does not want it any more."""
        ended = job.moved(JobState.CANCELLED, step="cancelled", eta_seconds=None, finished_at=time.time())
        return await finish(self._close(ended, drops_results=True, drops_files=True))

    async def _close(self, job: Job, *, drops_results: bool, drops_files: bool) -> Job:
        hook = None if job.webhook is None else (job.webhook, time.time())
        await self._steps.close(job, hook)
        self._counters.finished[job.kind, job.state.value] += 1
        try:
            await self._tidy(job, drops_results=drops_results, drops_files=drops_files)
        finally:  # it has ended, whatever is left of it
            self._tickets.close(job.id)
        return job

    async def _tidy(self, job: Job, *, drops_results: bool, drops_files: bool) -> None:
        if drops_files:
            await self._folders.remove(job.id)
        else:
            self._folders.settle(job.id)
        if drops_results:
            await self._keeper.discard(job.id)
            await self._steps.forget_results(job)
        else:
            self._counters.result_bytes[job.kind] += sum(item.size_bytes for item in await self._keeper.items(job.id))
