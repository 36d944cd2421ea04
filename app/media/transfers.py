"""Bytes on their way in and out: the buffers that one transfer holds, in the ledger for as long as it lasts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from app.domain.pressure import ProcessingMode
from app.domain.priority import Priority
from app.domain.receipt import Receipt
from app.domain.units import MIB
from app.memory.budget import MemoryBudget
from app.memory.reservation import Reservation

UPLOAD_BYTES = 3 * MIB
"""An upload: what the server and the writer hold of it, and the pieces of the answer that brings it back."""

DOWNLOAD_BYTES = 2 * MIB
"""A download: the piece that is read ahead, and what the socket has not taken yet."""


class Transfers:
    """Admits uploads and downloads."""

    def __init__(
        self, budget: MemoryBudget, mode: Callable[[], ProcessingMode], ended: Callable[[], None] = lambda: None
    ) -> None:
        """`ended` is called after the last byte of each transfer: a good moment to return memory."""
        self._budget = budget
        self._mode = mode
        self._ended = ended

    def receipt(self, nbytes: int) -> Receipt:
        """Return the receipt of a transfer that was admitted with `nbytes`."""
        return Receipt(nbytes, None, self._mode())

    def upload(self, client: str) -> AbstractAsyncContextManager[Reservation]:
        """Reserve what an upload and its answer need, until the answer is sent.

        Raises:
            BallastError: see `MemoryBudget.reserve`.
        """
        return self._reserve("upload", UPLOAD_BYTES, client)

    def download(self, client: str) -> AbstractAsyncContextManager[Reservation]:
        """Reserve what sending stored bytes needs, until they are sent.

        Raises:
            BallastError: see `MemoryBudget.reserve`.
        """
        return self._reserve("download", DOWNLOAD_BYTES, client)

    @asynccontextmanager
    async def _reserve(self, owner: str, nbytes: int, client: str) -> AsyncIterator[Reservation]:
        parts = {"buffers": nbytes}
        async with self._budget.reserve(parts, owner=owner, priority=Priority.REQUEST, client=client) as reservation:
            try:
                yield reservation
            finally:
                self._ended()
