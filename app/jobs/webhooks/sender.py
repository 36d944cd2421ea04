"""Webhooks: the job is posted, signed, when it has ended; again with growing pauses, for a day, across restarts."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

from app.errors import BallastError
from app.jobs.book.hooks import Hook, HookBook
from app.jobs.book.jobs import Book
from app.jobs.counters import JobCounters
from app.jobs.job import Job
from app.jobs.tickets import Tickets
from app.jobs.webhooks.addresses import Addresses
from app.jobs.webhooks.posting import post
from app.settings import JobsSettings

logger = logging.getLogger("ballast.jobs")

_PAUSES_SECONDS = (1.0, 5.0, 30.0, 120.0, 600.0, 1800.0, 3600.0)
_LIFE_SECONDS = 86400.0
_LOOK_SECONDS = 60.0


class Webhooks:
    """Sends what the book says is to be sent, one after the other."""

    def __init__(
        self,
        hooks: HookBook,
        book: Book,
        settings: JobsSettings,
        describe: Callable[[Job], Awaitable[bytes]],
        watched: tuple[Tickets, JobCounters],
    ) -> None:
        """`describe` returns the JSON of a job."""
        self._hooks = hooks
        self._book = book
        self._settings = settings
        self._describe = describe
        self._tickets, self._counters = watched
        self._addresses = Addresses(private=settings.webhook_private)

    def check(self, url: str) -> None:
        """Raises: InvalidParameter: nothing may be sent to this URL."""
        self._addresses.read(url)

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            with self._tickets.listen_to_all() as changed:
                pause_seconds = _LOOK_SECONDS
                try:
                    for hook in await self._hooks.due(time.time()):
                        await self._send(hook)
                    pause_seconds = await self._pause()
                except BallastError as error:
                    logger.warning("webhooks cannot be looked up", extra={"code": error.code})
                with suppress(TimeoutError):
                    async with asyncio.timeout(pause_seconds):
                        await changed.wait()

    async def _pause(self) -> float:
        next_at = await self._hooks.next_at()
        return _LOOK_SECONDS if next_at is None else min(_LOOK_SECONDS, max(0.05, next_at - time.time()))

    async def _send(self, hook: Hook) -> None:
        try:
            target = await self._addresses.resolve(hook.url)
            body = await self._describe(await self._book.get(hook.job_id))
            status = await post(target, body, self._settings.webhook_secret, self._settings.webhook_seconds)
            reason = f"it answered {status}"
        except (OSError, ValueError, TimeoutError, BallastError) as error:
            status, reason = 0, type(error).__name__
        if 200 <= status < 300:
            self._counters.webhooks_sent += 1
            await self._hooks.done(hook)
            return
        self._counters.webhooks_failed += 1
        again_at = time.time() + _PAUSES_SECONDS[min(hook.tries, len(_PAUSES_SECONDS) - 1)]
        logger.info("a webhook was not taken: %s", reason, extra={"job": hook.job_id, "tries": hook.tries + 1})
        if again_at - hook.since > _LIFE_SECONDS:
            await self._hooks.done(hook)
        else:
            await self._hooks.put_off(hook, again_at)
