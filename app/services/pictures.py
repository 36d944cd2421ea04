"""Encoded pictures in the API's memory: every byte is in the ledger, and none waits for more while it is held."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from app.domain.priority import Priority
from app.errors import PayloadTooLarge
from app.memory.budget import MemoryBudget
from app.memory.reservation import Reservation
from app.storage.tempfiles import TempFiles
from app.storage.threads import DiskThreads

Chunk = bytes | memoryview


class Picture(ABC):
    """One encoded picture, and the way to the bytes that working on it takes."""

    data: bytes

    @abstractmethod
    def granted(self, parts: Mapping[str, int], owner: str) -> AbstractAsyncContextManager[Reservation]:
        """Reserve `parts` for work on the picture, for the block.

        Raises:
            BallastError: see `MemoryBudget.reserve`.
        """


class LivePicture(Picture):
    """A picture whose own bytes are accounted for elsewhere: a stream's."""

    def __init__(self, data: bytes, budget: MemoryBudget, priority: Priority, client: str) -> None:
        self.data = data
        self._budget = budget
        self._priority = priority
        self._client = client

    def granted(self, parts: Mapping[str, int], owner: str) -> AbstractAsyncContextManager[Reservation]:
        return self._budget.reserve(parts, owner=owner, priority=self._priority, client=self._client)


class ReceivedPicture(Picture):
    """A picture that came as a request's body, held under its own reservation."""

    def __init__(self, data: bytes, reservation: Reservation, pictures: Pictures, client: str) -> None:
        self.data = data
        self._reservation = reservation
        self._pictures = pictures
        self._client = client

    @asynccontextmanager
    async def granted(self, parts: Mapping[str, int], owner: str) -> AsyncIterator[Reservation]:
        """See `Picture.granted`. Where the bytes are not free at once, the picture waits on the disk, not in memory."""
        if self._reservation.grow(parts):
            yield self._reservation
            return
        size_bytes = len(self.data)
        async with self._pictures.spooled(self.data) as path:
            self.data = b""
            self._reservation.release()
            whole = {"picture": size_bytes, **parts}
            async with self._pictures.reserve(whole, owner, self._client) as reservation:
                self.data = await self._pictures.read(path)
                yield reservation


class Pictures:
    """Takes request bodies in."""

    def __init__(self, budget: MemoryBudget, temp_files: TempFiles, disk: DiskThreads) -> None:
        self._budget = budget
        self._temp_files = temp_files
        self._disk = disk

    @asynccontextmanager
    async def receive(
        self, chunks: AsyncIterator[Chunk], declared_bytes: int | None, max_bytes: int, client: str
    ) -> AsyncIterator[ReceivedPicture]:
        """Read a body whole, under a reservation that is made before the first byte is read.

        Raises:
            PayloadTooLarge: more than `max_bytes` came.
            BallastError: see `MemoryBudget.reserve`; and what reading `chunks` raises.
        """
        expected_bytes = min(max_bytes, declared_bytes if declared_bytes is not None else max_bytes)
        async with self.reserve({"picture": expected_bytes}, "picture", client) as reservation:
            data = bytearray()
            async for chunk in chunks:
                data += chunk
                if len(data) > max_bytes:
                    raise PayloadTooLarge(f"A picture may have {max_bytes} bytes.", maxBytes=max_bytes)
            reservation.shrink(max(0, expected_bytes - len(data)))
            yield ReceivedPicture(bytes(data), reservation, self, client)

    def reserve(self, parts: Mapping[str, int], owner: str, client: str) -> AbstractAsyncContextManager[Reservation]:
        return self._budget.reserve(parts, owner=owner, priority=Priority.REQUEST, client=client)

    @asynccontextmanager
    async def spooled(self, data: bytes) -> AsyncIterator[Path]:
        """Keep `data` in a temporary file for the block."""
        async with self._temp_files.file("picture") as temp_file:
            temp_file.size_bytes = await self._disk.run(temp_file.path.write_bytes, data)
            yield temp_file.path

    async def read(self, path: Path) -> bytes:
        return await self._disk.run(path.read_bytes)
