"""What an earlier run of the service left: jobs that are not finished, and folders."""

from __future__ import annotations

import asyncio
import logging

from app.errors import BallastError, NotFound
from app.jobs.book.jobs import Book
from app.jobs.folders import Folders
from app.jobs.states import JobState
from app.jobs.tickets import Tickets

logger = logging.getLogger("ballast.jobs")


_AGAIN_SECONDS = 2.0


async def resume_in_the_end(book: Book, tickets: Tickets, folders: Folders) -> None:
    """Try until it works: whoever has locked the book goes."""
    while True:
        if await resume(book, tickets, folders):
            return
        await asyncio.sleep(_AGAIN_SECONDS)


async def resume(book: Book, tickets: Tickets, folders: Folders) -> bool:
    """Go on with what an earlier run left. A book that cannot be read (False) is no reason not to serve."""
    try:
        unfinished = [job for job in await book.unfinished() if tickets.find(job.id) is None]
    except BallastError as error:
        logger.error("the book of jobs cannot be read: %s", error.detail)
        return False
    for job in unfinished:
        await folders.restore(job.id, job.disk_bytes)
        tickets.open(job)
    if unfinished:
        logger.info("jobs go on", extra={"count": len(unfinished)})
    for job_id in await folders.names():
        if tickets.find(job_id) is None:
            await judge_folder(job_id, book, folders)
    return True


async def judge_folder(job_id: str, book: Book, folders: Folders) -> None:
    """Keep the finished parts of a failed job, for a retry; remove what a run that was killed could not."""
    try:
        failed = (await book.get(job_id)).state is JobState.FAILED
    except NotFound:
        failed = False
    except BallastError:
        return
    if failed:
        await folders.restore(job_id, 0)
    else:
        await folders.remove(job_id)
