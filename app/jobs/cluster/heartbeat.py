"""The sign of life of one of several services: it depends on nothing else that this one does; and who judges others."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from app.errors import BallastError
from app.jobs.cluster.book import ClusterBook
from app.jobs.cluster.dispatch import SILENT_SECONDS
from app.jobs.counters import JobCounters

logger = logging.getLogger("ballast.jobs")


@dataclass(frozen=True, slots=True)
class Pace:
    """`look`: how often the queue, and what clients want elsewhere, is looked at; `beat`: how often this instance says
    that it lives; `silent`: after how long without that it counts as dead. Seconds."""

    look: float = 0.5
    beat: float = 5.0
    silent: float = SILENT_SECONDS


class Heartbeat:
    """Beats, and takes over the jobs of those that do not any more."""

    def __init__(self, shared: ClusterBook, counters: JobCounters, pace: Pace, heard: Callable[[], None]) -> None:
        """`heard` is called after each beat."""
        self._shared = shared
        self._counters = counters
        self._pace = pace
        self._heard = heard
        self._beaten_at = -1e9
        self._steady_since: float | None = None
        self._trouble: str | None = None

    @property
    def is_heard(self) -> bool:
        """Whether this instance counts as alive: what it takes then is not taken from it at once."""
        return time.monotonic() - self._beaten_at < self._pace.silent

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            has_beaten = await self._try()
            await asyncio.sleep(self._pace.beat if has_beaten else self._pace.look)

    async def _try(self) -> bool:
        try:
            await self._beat()
        except BallastError as error:
            if self._trouble is None:
                logger.warning("this machine cannot say that it lives", extra={"code": error.code})
            self._steady_since, self._trouble = None, error.detail
            return False
        except Exception:
            logger.exception("this machine cannot say that it lives")
            self._steady_since = None
            return False
        self._trouble = None
        return True

    async def _beat(self) -> None:
        """Say that we live. Others are judged only by who has said so himself all the time: after a pause of the
        database, or of this machine, everybody else seems to be silent."""
        now = time.monotonic()
        await self._shared.beat()
        if self._steady_since is None or now - self._beaten_at > self._pace.beat + self._pace.silent / 2:
            self._steady_since = now
        self._beaten_at = now
        self._heard()
        if self._shared.instance.works and now - self._steady_since >= self._pace.silent:
            for job in await self._shared.take_over(self._pace.silent):
                self._counters.takeovers[job.kind] += 1
                logger.warning("a job of a silent machine is taken over", extra={"job": job.id})
