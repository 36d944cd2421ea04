"""What is wanted of the frames of a stretch of a video, and what comes back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.domain.units import MIB
from app.vision.search_cost import search_bytes
from app.vision.task import VisionTask

_FRAME_COPIES = 3
"""The frame itself, and what MediaPipe or Pillow makes of it (4 bytes a pixel)."""

_ANSWER_BYTES = 4 * MIB
"""Lines of one call, here and in the child: 60 frames of two faces with 478 points each take 3 MB."""


@dataclass(frozen=True, slots=True)
class FrameRequest:
    """What is wanted of frames of `width` x `height` (rgb24) of one stretch of a video.

    `tracked`: MediaPipe follows what it has found, in a child of its own (VIDEO mode), which begins anew with each
    request; else each frame is looked at by itself by the shared model. With `follow_every` heads are followed: all of
    every so many frames is searched (`segment.Following`). `subject` names the video: what crashes children is refused
    for a while.
    """

    task: type[VisionTask]
    params: Any
    width: int
    height: int
    client: str
    subject: str
    tracked: bool = False
    follow_every: int | None = None

    @property
    def operation(self) -> str:
        """Its name in the forecast."""
        return f"frames-{self.task.name}" if self.follow_every is None else "frames-search"

    @property
    def extra_bytes(self) -> int:
        """What a call takes in the child beside its model."""
        searching = 0 if self.follow_every is None else search_bytes(self.width, self.height)
        return self.width * self.height * 3 * _FRAME_COPIES + searching + _ANSWER_BYTES


@dataclass(frozen=True, slots=True)
class LookedFrames:
    """What one call found: a line of JSON for each frame, in order, without its end; and all of it in numbers."""

    lines: Sequence[bytes]
    tally: Mapping[str, Any]
