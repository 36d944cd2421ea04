"""Frames as they come in from one client: bounded, charged, counted, and put into the slot."""

from __future__ import annotations

from typing import Protocol

from app.errors import PayloadTooLarge
from app.vision.frames import SMALL_BYTES, Frame, FrameId, Loan, MessageLoan, NewestSlot, StreamBuffers
from app.vision.messages import EncodedPicture


class Counts(Protocol):
    """What is counted over all streams."""

    frames: int
    dropped: int


class Waiting(Protocol):
    """The frame that is at work."""

    @property
    def waits(self) -> bool:
        """Whether the work waits for memory."""


class FrameIntake:
    """Takes frames in; `received` counts them. While `at_work` waits for memory, only small ones are kept."""

    def __init__(self, buffers: StreamBuffers, counts: Counts, max_bytes: int) -> None:
        self.slot = NewestSlot()
        self.at_work: Waiting | None = None
        self.received = 0
        self._buffers = buffers
        self._counts = counts
        self._max_bytes = max_bytes

    def take(self, picture: bytes, loan: MessageLoan | None) -> None:
        """Take a picture as it came; `loan`: how its message is charged.

        Raises:
            PayloadTooLarge: it has too many bytes.
            Overloaded: its bytes are not free.
        """
        size_bytes = len(picture)
        if not self._is_kept(size_bytes):
            return
        held: Loan | None = loan
        if loan is not None:
            loan.take()
        elif size_bytes > SMALL_BYTES:
            held = self._buffers.lend(size_bytes)
        self._put(Frame(self.received, picture, None, held))

    def take_encoded(self, encoded: EncodedPicture, name: FrameId) -> None:
        """Take a picture that came as base64, under its client's name for it.

        Raises:
            BadRequest: it is not base64.
            PayloadTooLarge, Overloaded: see `take`.
        """
        size_bytes = encoded.size_bytes
        if not self._is_kept(size_bytes):
            return
        if size_bytes <= SMALL_BYTES:
            self._put(Frame(self.received, encoded.decode(), name))
            return
        copy = self._buffers.lend(encoded.characters)
        try:
            loan = self._buffers.lend(size_bytes)
            try:
                picture = encoded.decode()
            except BaseException:
                loan.release()
                raise
        finally:
            copy.release()
        self._put(Frame(self.received, picture, name, loan))

    def make_room(self) -> None:
        """Let go of a large frame in the slot: nothing is held while memory is waited for."""
        if self.slot.is_charged:
            self.slot.clear()
            self._count_dropped()

    def _is_kept(self, size_bytes: int) -> bool:
        """Count a frame; return whether it is wanted."""
        if size_bytes > self._max_bytes:
            raise PayloadTooLarge(f"a frame may have {self._max_bytes} bytes")
        self.received += 1
        self._counts.frames += 1
        if size_bytes > SMALL_BYTES and self.at_work is not None and self.at_work.waits:
            self._count_dropped()
            return False
        return True

    def _count_dropped(self) -> None:
        self.slot.dropped += 1
        self._counts.dropped += 1

    def _put(self, frame: Frame) -> None:
        self._counts.dropped += self.slot.put(frame)
