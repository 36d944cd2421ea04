"""Encoded pictures in the API's memory: every byte is in the ledger, and none waits for more while it is held."""

from __future__ import annotations

import errno
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path

from app.domain.priority import Priority
from app.errors import PayloadTooLarge, StorageFull
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

    @abstractmethod
    async def put_aside(self) -> None:
        """Free what memory the picture holds until it is granted its bytes; its `data` may be empty until then."""


class LivePicture(Picture):
    """A picture whose own bytes are accounted for elsewhere: a stream's."""

    def __init__(self, data: bytes, budget: MemoryBudget, priority: Priority, client: str) -> None:
        self.data = data
        self._budget = budget
        self._priority = priority
        self._client = client

    async def put_aside(self) -> None:
        """Keep it: a stream's frames are accounted for by the stream, and there is one of them at work."""

    def granted(self, parts: Mapping[str, int], owner: str) -> AbstractAsyncContextManager[Reservation]:
        return self._budget.reserve(parts, owner=owner, priority=self._priority, client=self._client)


class ReceivedPicture(Picture):
    """A picture that came as a request's body, held under its own reservation, or put aside on the disk."""

    def __init__(self, data: bytes, reservation: Reservation, pictures: Pictures, client: str) -> None:
        self.data = data
        self._size_bytes = len(data)
        self._reservation = reservation
        self._pictures = pictures
        self._client = client
        self._spool = AsyncExitStack()
        self._path: Path | None = None

    async def put_aside(self) -> None:
        """Write the picture to the disk and give its bytes back: nobody waits for others while holding any."""
        if self._path is None:
            self._path = await self._spool.enter_async_context(self._pictures.spooled(self.data))
            self.data = b""
            self._reservation.release()

    @asynccontextmanager
    async def granted(self, parts: Mapping[str, int], owner: str) -> AsyncIterator[Reservation]:
        """See `Picture.granted`. Where the bytes are not free at once, the picture waits on the disk."""
        if self._path is None and self._reservation.grow(parts):
            yield self._reservation
            return
        await self.put_aside()
        assert self._path is not None
        whole = {"picture": self._size_bytes, **parts}
        async with self._pictures.reserve(whole, owner, self._client) as reservation:
            self.data = await self._pictures.read(self._path)
            yield reservation
            self.data = b""

    async def aclose(self) -> None:
        """Remove what was put aside."""
        await self._spool.aclose()


class Pictures:
    """Takes pictures in, under one priority; each waits `wait_seconds` at most (None: as the budget says)."""

    def __init__(
        self,
        budget: MemoryBudget,
        temp_files: TempFiles,
        disk: DiskThreads,
        priority: Priority,
        wait_seconds: float | None = None,
    ) -> None:
        self._priority = priority
        self._wait_seconds = wait_seconds
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
            picture = ReceivedPicture(bytes(data), reservation, self, client)
            del data
            try:
                yield picture
            finally:
                await picture.aclose()

    def reserve(self, parts: Mapping[str, int], owner: str, client: str) -> AbstractAsyncContextManager[Reservation]:
        return self._budget.reserve(
            parts, owner=owner, priority=self._priority, client=client, wait_seconds=self._wait_seconds
        )

    @asynccontextmanager
    async def spooled(self, data: bytes) -> AsyncIterator[Path]:
        """Keep `data` in a temporary file for the block.

        Raises:
            StorageFull: the disk has no room for it.
        """
        async with self._temp_files.file("picture") as temp_file:
            try:
                temp_file.size_bytes = await self._disk.run(temp_file.path.write_bytes, data)
            except OSError as error:
                if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                    raise
                raise StorageFull("The disk is full.", neededBytes=len(data)) from error
            yield temp_file.path

    async def read(self, path: Path) -> bytes:
        return await self._disk.run(path.read_bytes)
