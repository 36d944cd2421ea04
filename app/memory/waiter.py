"""One that waits for bytes: what the waiting line, backfilling and admission know of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

from app.domain.priority import Priority
from app.errors import BallastError
from app.memory.ledger import Holder


@dataclass(slots=True, eq=False)
class Waiter:
    """A request in the line: the holder that it will become.

    `future` is done with None when it has what it waited for, else with the error to raise; `timer` ends the wait.
    """

    holder: Holder
    client: str
    priority: Priority
    future: asyncio.Future[BallastError | None]
    times_passed_over: int = 0
    timer: asyncio.TimerHandle | None = None
    nbytes: int = field(init=False)  # a copy: looking through the line compares it with each waiter's

    def __post_init__(self) -> None:
        self.nbytes = self.holder.reserved_bytes

    def granted(self) -> None:
        """Its holder was entered into the ledger: the bytes are what it waited for."""
        self.wake(None)

    def companions(self) -> Iterable[Waiter]:
        """Everybody who waits for the same grant, this one included."""
        return (self,)

    def wake(self, error: BallastError | None) -> None:
        """Let the task that waits go on: with what it waited for, or with the error that it is to raise."""
        if self.timer is not None:
            self.timer.cancel()
        if not self.future.done():
            self.future.set_result(error)
