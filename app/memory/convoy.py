"""A convoy: several who wait for one grant and for what is done with it, such as the load of a model.

Each of them stands in the line with its own class and client, for the one holder that all of them want; whoever is
first in order brings the grant for all. So a convoy stands where its foremost member stands: a LIVE that joins what
BATCH work began lifts it, and when that LIVE leaves, the convoy falls back to where it was. Nobody is held up by the
clients of another, and each is counted, bounded and shed as one waiter.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Awaitable, Callable, Hashable, Iterable
from dataclasses import dataclass

from app.domain.priority import Priority
from app.errors import BallastError, InternalError, Overloaded
from app.memory.admission import Admission
from app.memory.ledger import Holder
from app.memory.reservation import Reservation
from app.memory.waiter import Waiter

logger = logging.getLogger("ballast.memory")

Load = Callable[[Reservation], Awaitable[None]]


class Convoy:
    """Made by `MemoryBudget.convoy`. Those who join wait together, first for the grant and then for `load`.

    `is_over` says that it has ended, or that all left before the grant: who comes now needs a new one.
    """

    def __init__(self, admission: Admission, holder: Holder, load: Load) -> None:
        self.is_over = False
        self._admission = admission
        self._holder = holder
        self._load = load
        self._passengers: dict[Passenger, None] = {}
        self._reservation: Reservation | None = None  # granted, and not handed to `load` yet
        self._loading: asyncio.Task[None] | None = None

    @property
    def owner(self) -> str:
        return self._holder.owner

    async def join(
        self,
        priority: Priority,
        client: str = "",
        wait_seconds: float | None = None,
        lease: Hashable | None = None,
    ) -> None:
        """Wait until the bytes are granted and `load` has returned, for `wait_seconds` in all.

        Who leaves (cancelled, or its time is over) leaves alone: the line when it was the last, never the load.

        Raises:
            MemoryExceedsLimit: it could never fit.
            Overloaded: the time was over, the class is closed (a BATCH waits on), or the convoy was closed.
            QueueFull: too many wait.
            BallastError: what `load` raised; InternalError for anything that is none.
            RuntimeError: the convoy is over, or the lease (None: the current task) holds a reservation.
        """
        if self.is_over:
            raise RuntimeError(f"{self.owner}: this convoy is over")
        admission = self._admission
        lease = admission.ledger.take_lease(lease, self.owner)
        future: asyncio.Future[BallastError | None] = asyncio.get_running_loop().create_future()
        passenger = Passenger(self._holder, client, priority, future, convoy=self)
        self._passengers[passenger] = None
        try:
            self._step_in(passenger)
            await admission.wait(passenger, wait_seconds)
        finally:
            del self._passengers[passenger]
            admission.ledger.leases.discard(lease)
            self.is_over = self.is_over or (self._loading is None and not self._passengers)

    def depart(self, priority: Priority) -> None:
        """The bytes are granted, by the place of one of `priority`: load, and have all others wait for that."""
        for passenger in self._passengers:
            if not passenger.future.done():
                self._admission.board(passenger)
        self._holder.priority = priority
        self._reservation = Reservation(self._admission, self._holder)
        self._loading = asyncio.get_running_loop().create_task(
            self._run(), name=f"load {self.owner}", context=contextvars.Context()  # it is no request's own
        )  # fmt: skip
        self._loading.add_done_callback(self._arrive)

    def passengers(self) -> Iterable[Passenger]:
        """Everybody who waits here."""
        return tuple(self._passengers)

    async def aclose(self) -> None:
        """Send everybody away, and end the load; it has ended when this returns."""
        self.is_over = True
        if self._loading is not None and not self._loading.done():
            self._loading.cancel()
            await asyncio.wait((self._loading,))
        self._wake(Overloaded("The service is shutting down.", retry_after_seconds=5))

    def _step_in(self, passenger: Passenger) -> None:
        self._admission.reject_closed(passenger.nbytes, passenger.priority)
        if self._loading is None:
            self._admission.refusals.check_size(passenger.nbytes)
            self._admission.stand_in_line(passenger)
        else:
            self._admission.board(passenger)

    async def _run(self) -> None:
        """Load under a lease of its own: `load` must not wait for bytes while it holds these."""
        reservation, self._reservation = self._reservation, None
        assert reservation is not None
        lease = self._admission.ledger.take_lease(None, self.owner)
        try:
            await self._load(reservation)
        finally:
            self._admission.ledger.leases.discard(lease)

    def _arrive(self, loading: asyncio.Task[None]) -> None:
        if self._reservation is not None:  # cancelled before its first step
            self._reservation.release()
            self._reservation = None
        if not (self.is_over and loading.cancelled()):  # else `aclose` tells them
            self._wake(_error_of(loading))
        self.is_over = True

    def _wake(self, error: BallastError | None) -> None:
        for passenger in self._passengers:
            self._admission.withdraw(passenger)
            passenger.wake(error)


@dataclass(slots=True, eq=False, kw_only=True)
class Passenger(Waiter):
    """One who waits in a convoy: in the line before the grant, aboard after it."""

    convoy: Convoy

    def granted(self) -> None:
        self.convoy.depart(self.priority)

    def companions(self) -> Iterable[Waiter]:
        return self.convoy.passengers()


def _error_of(loading: asyncio.Task[None]) -> BallastError | None:
    """Return what the passengers are told; what is no `BallastError` is logged."""
    error = asyncio.CancelledError() if loading.cancelled() else loading.exception()
    if error is None or isinstance(error, BallastError):
        return error
    logger.error("%s failed", loading.get_name(), exc_info=error)
    return InternalError("What this had to wait for could not be made ready.")
