"""Equal requests at one time: the work is done once, for all of them.

Who comes first brings the work; others who ask for the same meanwhile come aboard. The work goes on as long as somebody
is aboard, and what it holds (a file, a reservation) is let go of when the last one is done with its result.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Generic, TypeVar

import anyio

from app.errors import Overloaded

logger = logging.getLogger("ballast.derived")

T = TypeVar("T")

Work = Callable[[], AbstractAsyncContextManager[T]]
"""Does the work on entering, and gives its result for the block."""


class Flights(Generic[T]):
    """Work that is going on, by what tells equal work from other. Belongs to the event loop."""

    def __init__(self) -> None:
        self._flights: dict[Hashable, _Flight[T]] = {}

    def __len__(self) -> int:
        return len(self._flights)

    @asynccontextmanager
    async def join(
        self, key: Hashable, work: Work[T], step_aside: Callable[[], Awaitable[None]] | None = None
    ) -> AsyncIterator[T]:
        """Give the result of `work`, or of equal work that is going on, for the block.

        Who is cancelled leaves alone: the work goes on for the others, and is cancelled with the last. It may use
        what its bringer holds (such as a picture of the request): the bringer, cancelled or not, stays until it is
        done. Nobody may wait here with memory in hand that the work may have to wait for: `step_aside` is called to
        let go of it where others' work is waited for.

        Raises:
            BallastError: what the work raised, to everybody aboard; or `step_aside`.
        """
        flight = self._flights.get(key)
        brings = flight is None or flight.has_failed
        if flight is None or flight.has_failed:
            flight = self._flights[key] = _Flight(work)
        flight.passengers += 1
        try:
            if step_aside is not None and not brings:
                await step_aside()
            yield await flight.result()
        finally:
            flight.passengers -= 1
            if not flight.passengers:
                if self._flights.get(key) is flight:
                    del self._flights[key]
                await flight.end()
            elif brings:
                await _done(flight.ready)


class _Flight(Generic[T]):
    """One piece of work in a task of its own. `ready` has its result, or what it raised."""

    def __init__(self, work: Work[T]) -> None:
        self.passengers = 0
        self.ready: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._empty = asyncio.Event()
        self._task = asyncio.create_task(self._fly(work), name="flight")
        self._task.add_done_callback(lambda _: self.ready.done() or self.ready.cancel())  # cancelled before it began

    @property
    def has_failed(self) -> bool:
        """Whether those aboard are about to be told of an error: who comes now tries anew."""
        return self.ready.done() and (self.ready.cancelled() or self.ready.exception() is not None)

    async def result(self) -> T:
        """Wait for the result; who is cancelled meanwhile cancels nothing else."""
        await asyncio.wait((self.ready,))
        if self.ready.cancelled():
            raise Overloaded("The service is shutting down.", retry_after_seconds=5)
        return self.ready.result()

    async def end(self) -> None:
        """Cancel the work, or let go of what it holds; it has ended when this returns, also where we are cancelled."""
        self._empty.set()
        if not self.ready.done():
            self._task.cancel()
        await _done(self._task)
        if self.ready.done() and not self.ready.cancelled():
            self.ready.exception()  # marks it as seen: everybody may have been cancelled before it came

    async def _fly(self, work: Work[T]) -> None:
        try:
            async with work() as result:
                self.ready.set_result(result)
                await self._empty.wait()
        except Exception as error:
            if self.ready.done():
                logger.exception("what a piece of work held could not be let go of")
            else:
                self.ready.set_exception(error)


async def _done(future: asyncio.Future[T]) -> None:
    """Wait for the end of it, even if we are cancelled meanwhile; cancel us then."""
    cancelled: asyncio.CancelledError | None = None
    with anyio.CancelScope(shield=True):
        while not future.done():
            try:
                await asyncio.wait((future,))
            except asyncio.CancelledError as error:
                cancelled = error
    if cancelled is not None:
        raise cancelled
