"""Somebody who waits for bytes."""

from __future__ import annotations

import asyncio

from app.domain.priority import Priority
from app.errors import BallastError
from app.memory.ledger import Holder
from app.memory.reservation import Reservation


class Waiter:
    """A request in the line: the holder that it will become. `missed_turns` counts its turns that brought no grant."""

    __slots__ = ("client", "future", "holder", "missed_turns", "nbytes", "timer")

    def __init__(self, holder: Holder, client: str) -> None:
        self.holder = holder
        self.nbytes = holder.reserved_bytes
        self.client = client
        self.future: asyncio.Future[Reservation | BallastError] = asyncio.get_running_loop().create_future()
        self.missed_turns = 0
        self.timer: asyncio.TimerHandle | None = None

    @property
    def priority(self) -> Priority:
        return self.holder.priority

    def settle(self, outcome: Reservation | BallastError) -> None:
        """Wake the task that waits, with a reservation or with the error that it is to raise."""
        if self.timer is not None:
            self.timer.cancel()
        if not self.future.done():
            self.future.set_result(outcome)
