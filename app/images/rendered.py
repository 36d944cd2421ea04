"""A picture that was rendered: in a file that only descriptors lead to, never whole in this process."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass

from app.domain.receipt import Receipt
from app.domain.units import KIB
from app.memory.reservation import Reservation
from app.storage.threads import DiskThreads

PIECE_BYTES = 256 * KIB
"""How much is read at a time."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds of the work in the child, one after another."""

    decode_seconds: float
    transform_seconds: float
    encode_seconds: float


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What is told of a rendered picture.

    `faces` is how many were found in the source; None where nobody looked.
    """

    content_type: str
    width: int
    height: int
    frames: int
    size_bytes: int
    timing: Timing
    receipt: Receipt
    faces: int | None = None


class RenderedImage:
    """Its bytes are in memory that the kernel keeps for a descriptor, and in the ledger, until it is closed."""

    def __init__(self, facts: ImageFacts, descriptor: int, reservation: Reservation, disk: DiskThreads) -> None:
        """`reservation` is that of the bytes alone; both it and the descriptor become its own."""
        self.facts = facts
        self._descriptor = descriptor
        self._reservation = reservation
        self._disk = disk

    @property
    def descriptor(self) -> int:
        """For `os.pread` and `os.sendfile`; its position is not to be relied on."""
        return self._descriptor

    async def chunks(self, offset: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        """Give the bytes from `offset` on, `length` of them (None: all), in pieces of `PIECE_BYTES`."""
        end = self.facts.size_bytes if length is None else min(self.facts.size_bytes, offset + length)
        while offset < end:
            wanted = min(PIECE_BYTES, end - offset)
            piece = await self._disk.run(os.pread, self._descriptor, wanted, offset)
            if not piece:
                raise OSError("a rendered picture is shorter than it should be")
            offset += len(piece)
            yield piece

    def close(self) -> None:
        """Give its memory back; does nothing the second time."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
            self._reservation.release()
