"""Telling a slow object store from one that is away: while something is sent to it, it is asked something small."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

from app.errors import StorageUnavailable

T = TypeVar("T")

logger = logging.getLogger("ballast.storage")

_QUESTIONS = 6
"""How often the store is asked within the time after which it counts as away."""

_RETRY_SECONDS = 10


class StoreWatch:
    """A transfer may take as long as it likes, while the store answers others. Lives on the event loop: no locks."""

    def __init__(self, ask: Callable[[], Awaitable[None]], stalled_seconds: float) -> None:
        """`ask` returns once the store has answered, whatever; `stalled_seconds` is how long it may answer nothing."""
        self._ask = ask
        self._stalled_seconds = stalled_seconds
        self._away = asyncio.Event()
        self._users = 0
        self._asking: asyncio.Task[None] | None = None

    @property
    def is_away(self) -> bool:
        """Whether the store answered nothing for so long when it was last asked."""
        return self._away.is_set()

    async def wait(self, transfer: asyncio.Future[T]) -> T:
        """Wait for a transfer. It goes on where we are cancelled; where the store is away, it is cancelled.

        Raises:
            StorageUnavailable: the store is away.
        """
        with self._watching():
            away = asyncio.create_task(self._away.wait())
            try:
                await asyncio.wait((transfer, away), return_when=asyncio.FIRST_COMPLETED)
            finally:
                away.cancel()
        if transfer.done():
            return transfer.result()
        transfer.cancel()
        raise StorageUnavailable(
            "The object store does not answer. Try again later.", retry_after_seconds=_RETRY_SECONDS
        )

    async def aclose(self) -> None:
        """Ask no more."""
        asking, self._asking = self._asking, None
        if asking is not None:
            asking.cancel()
            await asyncio.wait((asking,))

    @contextmanager
    def _watching(self) -> Iterator[None]:
        self._users += 1
        if self._asking is None or self._asking.done():
            self._away.clear()  # what was found before is old: it is asked again
            self._asking = asyncio.create_task(self._go_on_asking())
        try:
            yield
        finally:
            self._users -= 1

    async def _go_on_asking(self) -> None:
        """Ask as long as somebody waits."""
        answered_at, pause_seconds = time.monotonic(), self._stalled_seconds / _QUESTIONS
        while self._users:
            with suppress(TimeoutError, StorageUnavailable):
                async with asyncio.timeout(2 * pause_seconds):
                    await self._ask()
                answered_at = time.monotonic()
                self._away.clear()
            if time.monotonic() - answered_at >= self._stalled_seconds and not self._away.is_set():
                logger.error("the object store does not answer")
                self._away.set()
            await asyncio.sleep(pause_seconds)
