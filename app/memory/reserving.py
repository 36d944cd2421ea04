"""One use of the budget by one task: waits on entering, releases on leaving."""

from __future__ import annotations

import asyncio
from types import TracebackType

from app.domain.priority import Priority
from app.memory.admission import Admission
from app.memory.ledger import Holder
from app.memory.reservation import Reservation
from app.memory.waiter import Waiter


class Reserving:
    """The context that `MemoryBudget.reserve` returns; it can be entered once."""

    __slots__ = ("_admission", "_client", "_holder", "_reservation", "_wait_seconds")

    def __init__(self, admission: Admission, holder: Holder, client: str, wait_seconds: float) -> None:
        self._admission = admission
        self._holder = holder
        self._client = client
        self._wait_seconds = wait_seconds
        self._reservation: Reservation | None = None

    async def __aenter__(self) -> Reservation:
        holder, admission = self._holder, self._admission
        if self._reservation is not None:
            raise RuntimeError(f"{holder.owner}: a reservation can be entered once")
        holder.task = asyncio.current_task()
        if holder.task in admission.holding:
            raise RuntimeError(f"{holder.owner}: a task that holds a reservation must not wait for another")
        self._refuse_in_vain()
        if self._fits_at_once():
            self._reservation = admission.grant(holder)
        else:
            self._reservation = await admission.wait(Waiter(holder, self._client), self._wait_seconds)
        return self._reservation

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._reservation is not None:
            self._reservation.release()

    def _refuse_in_vain(self) -> None:
        admission, holder = self._admission, self._holder
        if holder.reserved_bytes > admission.limit_bytes:
            raise admission.refusals.too_large(holder.reserved_bytes)
        if holder.priority in admission.closed and holder.priority is not Priority.BATCH:
            raise admission.refusals.closed(holder.reserved_bytes)

    def _fits_at_once(self) -> bool:
        """Whether it fits and nobody waits; where somebody does, it takes its place in the line first."""
        admission, holder = self._admission, self._holder
        return (
            not len(admission.line)
            and holder.priority not in admission.closed
            and holder.reserved_bytes <= admission.free_bytes
        )
