"""Places for steps at work: one for each worker, given by priority, then age; none while memory is CRITICAL."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeAlias

Rank: TypeAlias = tuple[int, int]
"""The less, the sooner: minus the priority of a job, then its number."""


class Slots:
    """Lives on the event loop: no locks."""

    def __init__(self, count: int, is_open: Callable[[], bool]) -> None:
        """`is_open` says whether steps may begin now; call `refresh` when that changes."""
        self.count = count
        self._is_open = is_open
        self._taken = 0
        self._order = itertools.count()
        self._waiting: list[tuple[Rank, int, asyncio.Future[None]]] = []

    @property
    def is_open(self) -> bool:
        return self._is_open()

    @property
    def taken(self) -> int:
        return self._taken

    @asynccontextmanager
    async def take(self, rank: Rank) -> AsyncIterator[None]:
        """Wait for a place, and have it for the block."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (rank, next(self._order), turn))
        self.refresh()
        try:
            await turn
            yield
        finally:
            if turn.done() and not turn.cancelled():
                self._taken -= 1
            else:
                turn.cancel()
            self.refresh()

    def refresh(self) -> None:
        """Give places that are free to those who are next."""
        while self._waiting and self._taken < self.count and self._is_open():
            _, _, turn = heapq.heappop(self._waiting)
            if not turn.done():
                self._taken += 1
                turn.set_result(None)
