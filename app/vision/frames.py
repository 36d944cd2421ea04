"""Frames of a stream on their way: what is held for them, one at a time, and given back."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from app.domain.units import KIB
from app.errors import Overloaded
from app.memory.reservation import Reservation

SMALL_BYTES = 64 * KIB
"""Up to this size a frame is covered by what every open stream has reserved; a larger one is charged by itself."""

STREAM_BYTES = 256 * KIB
"""What an open stream has reserved: three small frames (in the slot, at work, coming in), and the texts around them."""


FrameId: TypeAlias = str | int | float | None
"""A client's own name for a frame."""


class Loan(Protocol):
    """Bytes that are charged to somebody for as long as they are held."""

    def release(self) -> None:
        """Give them back; does nothing the second time."""


class MessageLoan(Loan, Protocol):
    """The bytes of a message, charged to its connection: until the next message is asked for, or once taken, until
    they are released."""

    def take(self) -> None: ...


class StreamBuffers:
    """What one stream has in the ledger: `STREAM_BYTES`, and what is lent beyond that."""

    def __init__(self, reservation: Reservation) -> None:
        self._reservation = reservation

    def lend(self, nbytes: int) -> Loan:
        """Charge bytes that the stream is about to hold.

        Raises:
            Overloaded: they are not free.
        """
        if not self._reservation.grow({"frames": nbytes}):
            raise Overloaded("Memory is tight; send smaller frames.", retry_after_seconds=1)
        return _BufferLoan(self._reservation, nbytes)


class _BufferLoan:
    def __init__(self, reservation: Reservation, nbytes: int) -> None:
        self._reservation = reservation
        self._nbytes = nbytes

    def release(self) -> None:
        nbytes, self._nbytes = self._nbytes, 0
        if nbytes:
            self._reservation.shrink({"frames": nbytes})


@dataclass(slots=True)
class Frame:
    """`seq` counts the frames that one client sent, from 1; `id` is the client's own name for it.

    `loan` is what a frame above `SMALL_BYTES` is charged with; `release` it, whatever became of the frame.
    """

    seq: int
    picture: bytes
    id: FrameId = None
    loan: Loan | None = None

    def take_picture(self) -> bytes:
        """Return the picture, and hold it no longer: its loan is now the caller's concern as well."""
        picture, self.picture = self.picture, b""
        return picture

    def release(self) -> None:
        """Let the picture go, and give its bytes back."""
        self.picture = b""
        if self.loan is not None:
            self.loan.release()


@dataclass(slots=True)
class NewestSlot:
    """Holds one frame: the newest. `dropped` counts those that nobody looked at, as a newer one replaced them."""

    dropped: int = 0
    _frame: Frame | None = None
    _filled: asyncio.Event = field(default_factory=asyncio.Event)

    def put(self, frame: Frame) -> bool:
        """Put a frame in; return whether it replaced an older one, which is released."""
        replaced = self.is_filled
        self.clear()
        self.dropped += replaced
        self._frame = frame
        self._filled.set()
        return replaced

    def clear(self) -> None:
        """Release the frame, if there is one."""
        if self._frame is not None:
            self.take().release()

    @property
    def is_filled(self) -> bool:
        return self._frame is not None

    @property
    def is_charged(self) -> bool:
        """Whether there is a frame that is charged by itself."""
        return self._frame is not None and self._frame.loan is not None

    async def filled(self) -> None:
        """Wait until there is a frame."""
        await self._filled.wait()

    def take(self) -> Frame:
        """Take the frame out; there must be one."""
        assert self._frame is not None
        frame, self._frame = self._frame, None
        self._filled.clear()
        return frame
