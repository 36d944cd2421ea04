"""Finished jobs are forgotten after a while; their results stay, as any other item."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress

from app.errors import BallastError
from app.jobs.book.jobs import Book
from app.jobs.desk import Desk
from app.rounds import go_round

logger = logging.getLogger("ballast.jobs")

_AT_A_TIME = 200
_ROUND_SECONDS = 60.0


class Retention:
    """Removes jobs that finished more than `keep_seconds` ago; 0: none."""

    def __init__(self, book: Book, desk: Desk, keep_seconds: float) -> None:
        self._book = book
        self._desk = desk
        self._keep_seconds = keep_seconds

    async def run(self) -> None:
        """Work until cancelled."""
        if self._keep_seconds:
            pause_seconds = min(_ROUND_SECONDS, max(1.0, self._keep_seconds / 4))
            await go_round({"forgetting old jobs": self._forget_old}, lambda: pause_seconds, logger)
        await asyncio.Event().wait()

    async def _forget_old(self) -> None:
        try:
            for job in await self._book.finished_before(time.time() - self._keep_seconds, _AT_A_TIME):
                with suppress(BallastError):
                    await self._desk.delete(job.id, with_results=False)
        except BallastError as error:
            logger.warning("old jobs cannot be forgotten now", extra={"code": error.code})
