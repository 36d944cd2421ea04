"""Places for steps at work: one for each worker, given by priority, then age; none while memory is CRITICAL."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeAlias

Rank: TypeAlias = tuple[int, int]
"""The less, the sooner: minus the priority of a job, then its number."""


LINGER_SECONDS = 0.5
"""How long a place is kept for the next step of the same job, which the jobs child asks for some 20 ms later: else a
job that is behind it would come in between any two of its steps."""


@dataclass(slots=True)
class Place:
    """A place that was given. `lingers`: it is kept for a moment afterwards, unless somebody is before its job."""

    rank: Rank
    lingers: bool = False


class Slots:
    """Lives on the event loop: no locks."""

    def __init__(self, count: int, is_open: Callable[[], bool]) -> None:
        """`is_open` says whether steps may begin now; call `refresh` when that changes."""
        self.count = count
        self._is_open = is_open
        self._at_work = 0
        self._order = itertools.count()
        self._waiting: list[tuple[Rank, int, asyncio.Future[None]]] = []
        self._kept: dict[Rank, asyncio.TimerHandle] = {}

    @property
    def is_open(self) -> bool:
        return self._is_open()

    @property
    def taken(self) -> int:
        """How many steps are at work."""
        return self._at_work

    @asynccontextmanager
    async def take(self, rank: Rank) -> AsyncIterator[Place]:
        """Wait for a place, and have it for the block."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (rank, next(self._order), turn))
        self.refresh()
        place = Place(rank)
        try:
            await turn
            yield place
        finally:
            if turn.done() and not turn.cancelled():
                self._at_work -= 1
                if place.lingers:
                    self._keep(rank)
            else:
                turn.cancel()
            self.refresh()

    def refresh(self) -> None:
        """Give places that are free to those who are next."""
        while self._waiting and self._is_open():
            rank, _, turn = self._waiting[0]
            if not turn.done():
                if rank in self._kept:
                    self._let_go(rank)
                elif self._at_work + len(self._kept) >= self.count and not self._make_room(rank):
                    return
                self._at_work += 1
                turn.set_result(None)
            heapq.heappop(self._waiting)

    def _make_room(self, rank: Rank) -> bool:
        """Take a place that is kept for a job behind this one."""
        last = max(self._kept, default=rank)
        if last <= rank:
            return False
        self._let_go(last)
        return True

    def _keep(self, rank: Rank) -> None:
        self._kept[rank] = asyncio.get_running_loop().call_later(LINGER_SECONDS, self._expire, rank)

    def _expire(self, rank: Rank) -> None:
        self._let_go(rank)
        self.refresh()

    def _let_go(self, rank: Rank) -> None:
        self._kept.pop(rank).cancel()
