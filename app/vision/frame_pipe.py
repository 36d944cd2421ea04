"""Raw frames out of the reading end of a pipe. Child side."""

from __future__ import annotations

import os
import select
import time
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from app.errors import InvalidMedia, ProcessingTimeout

_STALL_SECONDS = 8.0
"""How long the rest of a frame is waited for that has begun: FFmpeg writes each in one go."""


@dataclass(frozen=True, slots=True)
class FrameSize:
    """Pixels of frames of 3 bytes each, red, green and blue (FFmpeg's rgb24)."""

    width: int
    height: int

    @property
    def nbytes(self) -> int:
        return self.width * self.height * 3


class FramePipe:
    """Reads frames one after the other into the same memory: `rgb`, a C-contiguous uint8 (height, width, 3).

    Nothing is read ahead, so that another call, in another child even, finds the next frame where this one stopped.
    The descriptor may be blocking or not.
    """

    def __init__(self, descriptor: int, size: FrameSize) -> None:
        self._descriptor = descriptor
        self._memory = bytearray(size.nbytes)
        self.rgb: npt.NDArray[np.uint8] = np.frombuffer(self._memory, np.uint8).reshape(size.height, size.width, 3)
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLIN)

    def has_more(self, seconds: float) -> bool:
        """Whether the next frame, or the end, comes within so many seconds."""
        return bool(self._poll.poll(seconds * 1000))

    def next(self) -> bool:
        """Fill `rgb` with the next frame; False: there is none, the other end is closed.

        Raises:
            InvalidMedia: the stream ends in the middle of a frame.
            ProcessingTimeout: the rest of the frame did not come.
        """
        rest = memoryview(self._memory)
        until = time.monotonic() + _STALL_SECONDS
        while rest:
            try:
                read = os.readv(self._descriptor, [rest])
            except BlockingIOError:
                if not self.has_more(max(0.0, until - time.monotonic())):
                    raise ProcessingTimeout("The frames of the video stopped coming.") from None
                continue
            if read == 0:
                if len(rest) < len(self._memory):
                    raise InvalidMedia("The frames of the video ended in the middle of one.")
                return False
            rest = rest[read:]
        return True
