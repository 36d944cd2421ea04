"""Webhooks: the job is posted, signed, when it has ended; again with growing pauses, for a day, across restarts."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial

from app.errors import BallastError
from app.jobs.book.hooks import Hook, HookBook
from app.jobs.book.jobs import Book
from app.jobs.counters import JobCounters
from app.jobs.job import Job
from app.jobs.tickets import Tickets
from app.jobs.webhooks.addresses import Addresses
from app.jobs.webhooks.lanes import MOST_HELD, Lanes
from app.jobs.webhooks.posting import post
from app.settings import JobsSettings

logger = logging.getLogger("ballast.jobs")

_PAUSES_SECONDS = (1.0, 5.0, 30.0, 120.0, 600.0, 1800.0, 3600.0)
_LIFE_SECONDS = 86400.0
_LOOK_SECONDS = 60.0
_ASIDE_SECONDS = 3.0
_NOTE_SECONDS = 5.0
"""How soon it is tried again to note what has become of a webhook: it is not sent again for that."""


class Webhooks:
    """Sends what the book says is to be sent, a few at a time (`Lanes`)."""

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
        async with asyncio.TaskGroup() as group:
            with self._tickets.listen_to_all() as changed:
                lanes = Lanes(group, self._send, self._put_aside)
                while True:
                    changed.clear()
                    pause_seconds = _LOOK_SECONDS
                    try:
                        pause_seconds = await self._take_due(lanes, changed)
                    except BallastError as error:
                        logger.warning("webhooks cannot be looked up", extra={"code": error.code})
                    with suppress(TimeoutError):
                        async with asyncio.timeout(pause_seconds):
                            await changed.wait()

    async def _take_due(self, lanes: Lanes, changed: asyncio.Event) -> float:
        """Put into lanes what is due, as much as they hold; return after how many seconds something else is."""
        now, room = time.time(), MOST_HELD - len(lanes.held)
        if room <= 0:  # a lane that ends says so
            return _LOOK_SECONDS
        lanes.take(await self._hooks.due(now, room, lanes.held), changed.set)
        next_at = await self._hooks.next_at(now)
        return _LOOK_SECONDS if next_at is None else min(_LOOK_SECONDS, max(0.05, next_at - time.time()))

    async def _send(self, hook: Hook) -> bool:
        """Send one, and note what became of it; return whether there was an answer."""
        try:
            target = await self._addresses.resolve(hook.url)
            body = await self._describe(await self._book.get(hook.job_id))
            status = await post(target, body, self._settings.webhook_secret, self._settings.webhook_seconds)
            reason = f"it answered {status}"
        except (OSError, ValueError, TimeoutError, BallastError) as error:
            status, reason = 0, type(error).__name__
        if 200 <= status < 300:
            self._counters.webhooks_sent += 1
            await self._note(partial(self._hooks.done, hook))
            return True
        self._counters.webhooks_failed += 1
        logger.info("a webhook was not taken: %s", reason, extra={"job": hook.job_id, "tries": hook.tries + 1})
        await self._put_off(hook)
        return status != 0

    async def _put_off(self, hook: Hook) -> None:
        """Note that it was not taken, or give it up where it is too old."""
        again_at = time.time() + _PAUSES_SECONDS[min(hook.tries, len(_PAUSES_SECONDS) - 1)]
        if again_at - hook.since > _LIFE_SECONDS:
            await self._note(partial(self._hooks.done, hook))
        else:
            await self._note(partial(self._hooks.put_off, hook, again_at))

    async def _put_aside(self, hooks: Sequence[Hook]) -> None:
        """Have those tried soon that were not, behind one without an answer: it may be that one's address only."""
        for hook in hooks:
            await self._note(partial(self._hooks.put_aside, hook, time.time() + _ASIDE_SECONDS))

    async def _note(self, write: Callable[[], Awaitable[None]]) -> None:
        """Write into the book, however long that is away: what is not noted would be sent again."""
        while True:
            try:
                return await write()
            except BallastError as error:
                logger.warning("a webhook cannot be noted", extra={"code": error.code})
                await asyncio.sleep(_NOTE_SECONDS)
