"""Bytes on their way in and out: the buffers that one transfer holds, in the ledger for as long as it lasts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from app.domain.pressure import ProcessingMode
from app.domain.priority import Priority
from app.domain.receipt import Receipt
from app.domain.units import KIB, MIB
from app.errors import QueueFull
from app.memory.allowance import Allowance
from app.memory.budget import MemoryBudget


@dataclass(frozen=True, slots=True)
class Transfer:
    """A kind of transfer, by the name that it has in the ledger, and the bytes that each of its kind holds.

    Where there is plenty it has `most_bytes`, and is faster.
    """

    owner: str
    nbytes: int
    most_bytes: int = 0


UPLOAD = Transfer("upload", 384 * KIB)
"""What the writer collects and writes of an upload (`app.storage.appender`), and the pieces of the answer that brings
it back. What the connection reads and writes is charged to its own account."""

DOWNLOAD = Transfer("download", 256 * KIB, 2 * MIB)
"""Two pieces: one that is read ahead, and one that the socket has not taken yet."""

_WAIT_SECONDS = 10.0
_RETRY_SECONDS = 2


class Transfers:
    """Admits uploads and downloads."""

    def __init__(self, budget: MemoryBudget, unfinished: Allowance, mode: Callable[[], ProcessingMode]) -> None:
        self._budget = budget
        self._unfinished = unfinished
        self._mode = mode

    def receipt(self, nbytes: int) -> Receipt:
        """Return the receipt of a transfer that was admitted with so many bytes."""
        return Receipt(nbytes, None, self._mode())

    @asynccontextmanager
    async def admit(self, transfer: Transfer, client: str) -> AsyncIterator[int]:
        """Reserve what a transfer holds for the block, which ends after its last byte, and return how much that is.

        Raises:
            QueueFull: all transfers together, or those of this client, hold as much as they may for too long.
            BallastError: see `MemoryBudget.reserve`.
        """
        nbytes = await self._take(transfer, client)
        parts = {"buffers": nbytes}
        try:
            async with self._budget.reserve(parts, owner=transfer.owner, priority=Priority.REQUEST, client=client):
                yield nbytes
        finally:
            self._unfinished.give(client, nbytes)

    async def _take(self, transfer: Transfer, client: str) -> int:
        if transfer.most_bytes and self._unfinished.take_of_plenty(client, transfer.most_bytes):
            return transfer.most_bytes
        if not await self._unfinished.wait(client, transfer.nbytes, _WAIT_SECONDS):
            raise QueueFull("Too many transfers are under way at a time.", retry_after_seconds=_RETRY_SECONDS)
        return transfer.nbytes
