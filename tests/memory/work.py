"""Pieces of work that reserve bytes, for the tests of the budget."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable

from app.domain.priority import Priority
from app.errors import BallastError
from app.memory.budget import MemoryBudget
from app.memory.convoy import Convoy
from app.memory.reservation import Reservation
from app.memory.wait_policy import WaitPolicy

_numbers = itertools.count()


class WorkingSet:
    """A working set that the test sets."""

    def __init__(self, nbytes: int = 0) -> None:
        self.nbytes = nbytes

    def __call__(self) -> int:
        return self.nbytes


def make_budget(
    total_bytes: int = 100,
    working_set: Callable[[], int] | None = None,
    *,
    max_waiting: int = 256,
    wait_seconds: float = 10.0,
    overtake_seconds: float = 2.0,
    client_share: float = 0.5,
    on_shortage: Callable[[int], None] | None = None,
) -> MemoryBudget:
    """Return a budget on the clock of the running loop; its working set is empty unless given."""
    return MemoryBudget(
        total_bytes,
        working_set=working_set or WorkingSet(),
        waiting=WaitPolicy(max_waiting, wait_seconds, overtake_seconds=overtake_seconds, client_share=client_share),
        on_shortage=on_shortage,
        clock=asyncio.get_running_loop().time,
    )


class Work:
    """A task that reserves bytes and keeps them for `seconds`, or until it is finished or cancelled."""

    def __init__(
        self,
        budget: MemoryBudget,
        nbytes: int,
        priority: Priority = Priority.REQUEST,
        client: str = "",
        *,
        seconds: float | None = None,
        wait_seconds: float | None = None,
        on_grant: Callable[[Work], None] | None = None,
    ) -> None:
        self.number = next(_numbers)
        self.nbytes = nbytes
        self.priority = priority
        self.client = client
        self.reservation: Reservation | None = None
        self.granted_at: float | None = None
        self.error: BallastError | None = None
        self._budget = budget
        self._seconds = seconds
        self._wait_seconds = wait_seconds
        self._on_grant = on_grant
        self._finished = asyncio.Event()
        self.task = asyncio.create_task(self._run())

    @property
    def is_waiting(self) -> bool:
        return not self.task.done() and self.reservation is None

    @property
    def is_running(self) -> bool:
        return not self.task.done() and self.reservation is not None

    def finish(self) -> None:
        self._finished.set()

    async def _run(self) -> None:
        try:
            async with self._budget.reserve(
                {"decode": self.nbytes},
                owner=f"work {self.number}",
                priority=self.priority,
                client=self.client,
                wait_seconds=self._wait_seconds,
            ) as self.reservation:
                self.granted_at = asyncio.get_running_loop().time()
                if self._on_grant is not None:
                    self._on_grant(self)
                if self._seconds is None:
                    await self._finished.wait()
                else:
                    await asyncio.sleep(self._seconds)
        except BallastError as error:
            self.error = error


class Load:
    """What is done with the grant of a convoy: lasts until it is finished, then returns or raises `error`.

    `releases` gives the bytes back when it is cancelled.
    """

    def __init__(
        self, begun: Callable[[], None] = lambda: None, *, error: BaseException | None = None, releases: bool = False
    ) -> None:
        self.runs = 0
        self.is_running = False
        self.reservation: Reservation
        self._begun = begun
        self._error = error
        self._releases = releases
        self._finished = asyncio.Event()

    async def __call__(self, reservation: Reservation) -> None:
        self.runs += 1
        self.reservation = reservation
        self._begun()
        self.is_running = True
        try:
            await self._finished.wait()
        except asyncio.CancelledError:
            if self._releases:
                reservation.release()
            raise
        finally:
            self.is_running = False
        if self._error is not None:
            raise self._error

    def finish(self) -> None:
        self._finished.set()


class Joiner:
    """A task that waits in a convoy."""

    def __init__(self, convoy: Convoy, priority: Priority, client: str = "", wait_seconds: float | None = None) -> None:
        self.convoy = convoy
        self.priority = priority
        self.client = client
        self.error: BallastError | None = None
        self._wait_seconds = wait_seconds
        self.task = asyncio.create_task(self._run())

    @property
    def is_done(self) -> bool:
        return self.task.done()

    async def _run(self) -> None:
        try:
            await self.convoy.join(self.priority, self.client, self._wait_seconds)
        except BallastError as error:
            self.error = error
