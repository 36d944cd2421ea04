"""Encoded pictures in the API's memory: every byte is in the ledger, and none waits for more while it is held."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path

from app.domain.media import Chunk
from app.domain.priority import Priority
from app.domain.units import KIB
from app.errors import PayloadTooLarge
from app.memory.budget import MemoryBudget
from app.memory.reservation import Reservation
from app.storage.files import full_disk
from app.storage.tempfiles import TempFiles
from app.storage.threads import DiskThreads

_STEP_BYTES = 64 * KIB
"""By how much the reservation of a picture grows while it comes in."""


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
            spooling = self._pictures.spooled(self.data)
            self.data = b""
            self._path = await self._spool.enter_async_context(spooling)
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
        self, chunks: AsyncIterator[Chunk], max_bytes: int, client: str
    ) -> AsyncIterator[ReceivedPicture]:
        """Read a body whole. Its reservation grows with the bytes that came, so that a slow sender keeps few.

        Where memory has no room for the next bytes, the rest goes to the disk, and comes back when there is.

        Raises:
            PayloadTooLarge: more than `max_bytes` came.
            StorageFull: it had to go to the disk, which is full.
            BallastError: see `MemoryBudget.reserve`; and what reading `chunks` raises.
        """
        async with AsyncExitStack() as stack:
            first = self.reserve({"picture": _STEP_BYTES}, "picture", client)
            reservation = await stack.enter_async_context(first)
            data = await self._read_in(_capped(chunks, max_bytes), reservation)
            if reservation.is_released:
                path = await stack.enter_async_context(self._spooled(data, _capped(chunks, max_bytes - len(data))))
                size_bytes = (await self._disk.run(path.stat)).st_size
                reservation = await stack.enter_async_context(self.reserve({"picture": size_bytes}, "picture", client))
                data = bytearray(await self.read(path))
            reservation.shrink(reservation.reserved_bytes - len(data))
            picture = ReceivedPicture(bytes(data), reservation, self, client)
            del data
            stack.push_async_callback(picture.aclose)
            yield picture

    async def _read_in(self, chunks: AsyncIterator[Chunk], reservation: Reservation) -> bytearray:
        """Read as long as the reservation grows; released: there was no room for more, and more may come."""
        data = bytearray()
        async for chunk in chunks:
            data += chunk
            missing_bytes = len(data) - reservation.reserved_bytes
            if missing_bytes > 0 and not reservation.grow({"picture": max(missing_bytes, _STEP_BYTES)}):
                reservation.release()
                break
        return data

    def reserve(self, parts: Mapping[str, int], owner: str, client: str) -> AbstractAsyncContextManager[Reservation]:
        return self._budget.reserve(
            parts, owner=owner, priority=self._priority, client=client, wait_seconds=self._wait_seconds
        )

    def spooled(self, data: bytes) -> AbstractAsyncContextManager[Path]:
        """Keep `data` in a temporary file for the block.

        Raises:
            StorageFull: the disk has no room for it.
        """
        return self._spooled(data, _nothing())

    @asynccontextmanager
    async def _spooled(self, data: bytes | bytearray, rest: AsyncIterator[Chunk]) -> AsyncIterator[Path]:
        async with self._temp_files.file("picture") as temp_file:
            with full_disk(len(data)):
                temp_file.size_bytes = await self._disk.run(temp_file.path.write_bytes, data)
            if isinstance(data, bytearray):  # the caller's own: while this waits, it is on the disk only
                data.clear()
            del data
            async for chunk in rest:
                with full_disk(len(chunk)):
                    temp_file.size_bytes += await self._disk.run(_append, temp_file.path, chunk)
            yield temp_file.path

    async def read(self, path: Path) -> bytes:
        return await self._disk.run(path.read_bytes)


async def _capped(chunks: AsyncIterator[Chunk], max_bytes: int) -> AsyncIterator[Chunk]:
    """Give what `chunks` give.

    Raises:
        PayloadTooLarge: more than `max_bytes` came.
    """
    size_bytes = 0
    async for chunk in chunks:
        size_bytes += len(chunk)
        if size_bytes > max_bytes:
            raise PayloadTooLarge("The picture has more bytes than a picture may have.", maxBytes=max_bytes)
        yield chunk


async def _nothing() -> AsyncIterator[Chunk]:
    return
    yield b""


def _append(path: Path, chunk: Chunk) -> int:
    with path.open("ab") as file:
        return file.write(chunk)
