"""Encoded pictures in the API's memory: every byte is in the ledger, and none waits for more while it is held."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Protocol

from app.domain.media import Chunk
from app.domain.priority import Priority
from app.domain.units import KIB
from app.errors import PayloadTooLarge
from app.imaging.header import read_header
from app.imaging.picture_format import PictureHeader
from app.memory.allowance import Allowance
from app.memory.budget import MemoryBudget
from app.memory.customer import Customer
from app.memory.reservation import Reservation
from app.storage.scratch import Scratch, ScratchFile, needing
from app.storage.threads import DiskThreads
from app.workers.channel import Head, Message

_STEP_BYTES = 64 * KIB
"""By how much the reservation of a picture grows while it comes in."""


class Picture(ABC):
    """One encoded picture, and how the memory is reserved that working on it takes, as a `customer` of the ledger."""

    data: bytes
    customer: Customer

    @property
    def size_bytes(self) -> int:
        """How long the encoded picture is."""
        return len(self.data)

    @property
    def is_filed(self) -> bool:
        """Whether a child reads it itself, out of its file: it is not here, and part of how far the child grows."""
        return False

    def read_header(self) -> PictureHeader:
        """Return what it says of itself.

        Raises:
            UnsupportedMedia, InvalidMedia: see `imaging.header.read_header`.
        """
        return read_header(self.data)

    def message(self, head: Head, descriptors: tuple[int, ...]) -> Message:
        """Return the call that gives it to a child, with what it is to be done with it."""
        return Message(head, self.data, descriptors)

    @abstractmethod
    def granted(self, parts: Mapping[str, int], owner: str) -> AbstractAsyncContextManager[Reservation]:
        """Reserve `parts` for work on the picture, for the block.

        Raises:
            BallastError: see `MemoryBudget.reserve`.
        """

    @abstractmethod
    async def put_aside(self) -> None:
        """Free what memory the picture holds until it is granted its bytes; its `data` may be empty until then."""


class Charge(Protocol):
    """What a picture is charged with: a reservation, or a loan."""

    def release(self) -> None: ...


class ChargedPicture(Picture):
    """A picture that waits on the disk, without its charge, for what is not free at once."""

    def __init__(self, data: bytes, charge: Charge | None, pictures: Pictures, customer: Customer) -> None:
        self.data = data
        self.customer = customer
        self._size_bytes = len(data)
        self._charge = charge
        self._pictures = pictures
        self._spool = AsyncExitStack()
        self._path: Path | None = None

    @property
    def size_bytes(self) -> int:
        return self._size_bytes

    async def put_aside(self) -> None:
        """Write the picture to the disk and give its bytes back: nobody waits for others while holding any."""
        if self._path is None and self._charge is not None:
            spooling = self._pictures.spooled(self.data, self.customer.client)
            self.data = b""
            self._path = (await self._spool.enter_async_context(spooling)).path
            self._charge.release()

    @asynccontextmanager
    async def _fetched(self, parts: Mapping[str, int], owner: str) -> AsyncIterator[Reservation]:
        """Wait for the bytes of the work and of the picture, which is back from the disk for the block."""
        assert self._path is not None
        whole = {"picture": self._size_bytes, **parts}
        async with self._pictures.reserve(whole, owner, self.customer) as reservation:
            self.data = await self._pictures.read(self._path)
            yield reservation
            self.data = b""

    async def aclose(self) -> None:
        """Remove what was put aside."""
        await self._spool.aclose()


class ReceivedPicture(ChargedPicture):
    """A picture that came as a request's body, held under its own reservation, or put aside on the disk."""

    def __init__(self, data: bytes, reservation: Reservation, pictures: Pictures, customer: Customer) -> None:
        super().__init__(data, reservation, pictures, customer)
        self._reservation = reservation

    @asynccontextmanager
    async def granted(self, parts: Mapping[str, int], owner: str) -> AsyncIterator[Reservation]:
        """See `Picture.granted`. Where the bytes are not free at once, the picture waits on the disk."""
        if self._path is None and self._reservation.grow(parts):
            yield self._reservation
            return
        await self.put_aside()
        async with self._fetched(parts, owner) as reservation:
            yield reservation


class Pictures:
    """Takes pictures in, under one priority; each waits for memory `wait_seconds` in all."""

    def __init__(
        self,
        budget: MemoryBudget,
        unfinished: Allowance,
        scratch: Scratch,
        disk: DiskThreads,
        priority: Priority,
        wait_seconds: float,
    ) -> None:
        self._priority = priority
        self._wait_seconds = wait_seconds
        self._budget = budget
        self._unfinished = unfinished
        self._scratch = scratch
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
        customer = self.customer(client)
        async with AsyncExitStack() as stack:
            first = self.reserve({"picture": _STEP_BYTES}, "picture", customer)
            reservation = await stack.enter_async_context(first)
            capped = _capped(chunks, max_bytes)
            data = await self._read_in(capped, reservation, client)
            if reservation.is_released:
                file = await stack.enter_async_context(self.spooled(data, client, capped))
                again = self.reserve({"picture": file.size_bytes}, "picture", customer)
                reservation = await stack.enter_async_context(again)
                data = bytearray(await self.read(file.path))
            reservation.shrink(reservation.reserved_bytes - len(data))
            picture = ReceivedPicture(bytes(data), reservation, self, customer)
            del data
            stack.push_async_callback(picture.aclose)
            yield picture

    def customer(self, client: str) -> Customer:
        """Return who waits for memory for a picture of this client."""
        return Customer(self._priority, client, self._wait_seconds)

    async def _read_in(self, chunks: AsyncIterator[Chunk], reservation: Reservation, client: str) -> bytearray:
        """Read as long as the reservation grows; where there is no room for more, it is released, and more may come."""
        data, taken_bytes = bytearray(), 0
        try:
            async for chunk in chunks:
                data += chunk
                missing_bytes = len(data) - reservation.reserved_bytes
                if missing_bytes <= 0:
                    continue
                step_bytes = max(missing_bytes, _STEP_BYTES)
                if self._unfinished.take(client, step_bytes):
                    taken_bytes += step_bytes
                    if reservation.grow({"picture": step_bytes}):
                        continue
                reservation.release()
                break
            return data
        finally:
            self._unfinished.give(client, taken_bytes)

    def reserve(
        self, parts: Mapping[str, int], owner: str, customer: Customer
    ) -> AbstractAsyncContextManager[Reservation]:
        return customer.reserve(self._budget, parts, owner)

    def try_reserve(self, parts: Mapping[str, int], owner: str, customer: Customer) -> Reservation | None:
        return self._budget.try_reserve(parts, owner=owner, priority=customer.priority)

    @asynccontextmanager
    async def spooled(
        self, data: bytes | bytearray, client: str, rest: AsyncIterator[Chunk] | None = None
    ) -> AsyncIterator[ScratchFile]:
        """Keep `data`, and after it the `rest` that is still to come, in a temporary file for the block.

        A bytearray is emptied: while the picture waits, it is on the disk only.

        Raises:
            StorageFull: the disk, or the client's share of it, has no room for it.
        """
        async with self._scratch.spool("picture", client) as file:
            await file.count(len(data))
            with needing(len(data)):
                await self._disk.run(file.path.write_bytes, data)
            if isinstance(data, bytearray):
                data.clear()
            del data
            if rest is not None:
                async for chunk in rest:
                    await file.count(len(chunk))
                    with needing(len(chunk)):
                        await self._disk.run(_append, file.path, chunk)
            yield file

    async def read(self, path: Path) -> bytes:
        return await self._disk.read(path.read_bytes)


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


def _append(path: Path, chunk: Chunk) -> int:
    with path.open("ab") as file:
        return file.write(chunk)
