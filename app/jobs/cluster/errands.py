"""What is done for single jobs beside the rounds of a member, because it may take long: at most one thing for each."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

from app.errors import BallastError

logger = logging.getLogger("ballast.jobs")


class Errands:
    """They end with the group. One that fails is told of in the log: the next round begins it again, if need be."""

    def __init__(self, group: asyncio.TaskGroup) -> None:
        self._group = group
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def __iter__(self) -> Iterator[str]:
        """Give the ids of the jobs that something is done for."""
        return iter(list(self._tasks))

    def begin(self, job_id: str, work: Callable[[], Coroutine[Any, Any, object]]) -> None:
        """Do something for a job, unless something is done for it already."""
        if job_id not in self._tasks:
            self._tasks[job_id] = self._group.create_task(self._do(job_id, work), name=f"errand-{job_id}")

    async def ended(self, job_id: str) -> None:
        """Return when nothing is done for a job."""
        if (task := self._tasks.get(job_id)) is not None:
            await asyncio.wait((task,))

    async def _do(self, job_id: str, work: Callable[[], Coroutine[Any, Any, object]]) -> None:
        try:
            await work()
        except BallastError as error:
            logger.warning("a job is not cleared up", extra={"code": error.code, "job": job_id})
        except Exception:
            logger.exception("a job is not cleared up", extra={"job": job_id})
        finally:
            del self._tasks[job_id]
