"""Who wants bytes: of which class, for which client, and how long the work waits in all, however often it has to."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager

from app.domain.priority import Priority
from app.memory.budget import MemoryBudget
from app.memory.convoy import Convoy
from app.memory.reservation import Reservation


class Customer:
    """One piece of work before the ledger. What is done between two waits does not count as waiting."""

    def __init__(
        self, priority: Priority, client: str, wait_seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.priority = priority
        self.client = client
        self._seconds_left = wait_seconds
        self._clock = clock

    @asynccontextmanager
    async def reserve(self, budget: MemoryBudget, parts: Mapping[str, int], owner: str) -> AsyncIterator[Reservation]:
        """Reserve `parts` for the block; see `MemoryBudget.reserve`."""
        async with AsyncExitStack() as stack:
            with self._spending() as seconds:
                pending = budget.reserve(
                    parts, owner=owner, priority=self.priority, client=self.client, wait_seconds=seconds
                )
                reservation = await stack.enter_async_context(pending)
            yield reservation

    async def join(self, convoy: Convoy) -> None:
        """Wait with others; see `Convoy.join`."""
        with self._spending() as seconds:
            await convoy.join(self.priority, self.client, seconds)

    @contextmanager
    def _spending(self) -> Iterator[float]:
        began = self._clock()
        try:
            yield self._seconds_left
        finally:
            self._seconds_left = max(0.0, self._seconds_left - (self._clock() - began))
