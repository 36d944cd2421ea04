"""Webhooks on their way: a few at a time, one after the other for each receiver, so that none waits for another's."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from urllib.parse import urlsplit

from app.jobs.book.hooks import Hook

AT_ONCE = 4
"""Receivers that are posted to at a time."""

MOST_HELD = 100
"""Webhooks in memory before no more are taken from the book: then some receiver hangs."""

_FRESH_SECONDS = 200.0
"""How long one may wait here: afterwards it may be another machine's (`cluster.tables.LEASE_SECONDS`)."""

Send = Callable[[Hook], Awaitable[bool]]
"""Sends one, and returns whether there was an answer, whatever it said."""


class Lanes:
    """A lane for each receiver that has webhooks waiting; it ends with the last of them."""

    def __init__(
        self, group: asyncio.TaskGroup, send: Send, put_aside: Callable[[Sequence[Hook]], Awaitable[None]]
    ) -> None:
        """`put_aside` is told of those behind one that had no answer: they are not tried now."""
        self._group = group
        self._send = send
        self._put_aside = put_aside
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._waiting: dict[str, deque[tuple[Hook, float]]] = {}
        self._held: set[int] = set()

    @property
    def held(self) -> frozenset[int]:
        """The numbers of those that were taken and are not done with."""
        return frozenset(self._held)

    def take(self, hooks: Iterable[Hook], ended: Callable[[], object]) -> None:
        """Send these, each when it is its turn; `ended` is called whenever a lane is empty."""
        now = time.monotonic()
        for hook in hooks:
            self._held.add(hook.number)
            receiver = urlsplit(hook.url).netloc.lower()
            if receiver not in self._waiting:
                self._waiting[receiver] = deque()
                self._group.create_task(self._serve(receiver, ended), name="webhooks")
            self._waiting[receiver].append((hook, now))

    async def _serve(self, receiver: str, ended: Callable[[], object]) -> None:
        waiting = self._waiting[receiver]
        while waiting:
            hook, since = waiting.popleft()
            answered = True
            if time.monotonic() - since < _FRESH_SECONDS:
                async with self._turns:
                    answered = await self._send(hook)
            self._held.discard(hook.number)
            if not answered:
                behind = [hook for hook, _ in waiting]
                waiting.clear()
                await self._put_aside(behind)
                self._held.difference_update(one.number for one in behind)
        del self._waiting[receiver]
        ended()
