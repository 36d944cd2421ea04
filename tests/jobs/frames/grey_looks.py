"""Looks that find the number of a frame by its grey (`tests.ffmpeg.numbered`), in place of children with models."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from app.domain.analysis_size import AnalysisSize
from app.errors import InvalidMedia
from app.vision.frame_request import FrameRequest, LookedFrames
from tests.ffmpeg.clips import make
from tests.ffmpeg.numbered import numbered
from tests.jobs.bench import Bench, bench

CODECS = {
    ".avi": ("-c:v", "mpeg4", "-qscale:v", "2"),
    ".mpg": ("-c:v", "mpeg2video", "-qscale:v", "2", "-bf", "2"),
    ".wmv": ("-c:v", "wmv2", "-qscale:v", "2"),
    ".ogv": ("-c:v", "libtheora", "-qscale:v", "10"),
}
"""What goes into a container in place of H.264."""


def numbered_in(path: Path, seconds: float) -> Path:
    """Make a clip of numbered frames, 25 a second, in the container of this suffix: a key frame each 1.2 seconds."""
    own = CODECS.get(path.suffix)
    if own is None:
        return numbered(path, seconds, "-g", "30", "-sc_threshold", "0", rate="25", sound=False)
    raw = numbered(path.with_name("whole.mp4"), seconds, rate="25", sound=False)
    try:
        return make(path, "-i", str(raw), *own, "-g", "30", "-sc_threshold", "1000000000")
    finally:
        raw.unlink()


class GreyLooks:
    """In place of `FrameLooks`: a line is the number of the frame."""

    box = AnalysisSize(640, 480)

    @asynccontextmanager
    async def open(self, request: FrameRequest) -> AsyncIterator[GreyLook]:
        yield GreyLook(request.width * request.height * 3)


class GreyLook:
    def __init__(self, frame_bytes: int) -> None:
        self._frame_bytes = frame_bytes

    async def over(self, descriptor: int, times: Sequence[float], most_missing: int = 0) -> AsyncIterator[LookedFrames]:
        raw = await asyncio.to_thread(_read_all, descriptor)
        greys = [raw[at + self._frame_bytes // 2] for at in range(0, len(raw), self._frame_bytes)]
        if len(greys) < len(times) - most_missing:
            raise InvalidMedia(f"{len(greys)} of {len(times)}")
        lines = [b"%d" % round((grey * 219 / 255 + 16 - 20) / 2) for grey in greys]
        nothing: dict[str, Any] = {"framesWithDetections": 0, "detections": 0, "mostInAFrame": 0, "labels": {}}
        yield LookedFrames(lines, {"frames": len(lines), **nothing})


async def grey_bench(folder: Path, *paths: Path) -> Bench:
    """Return a bench whose frames are looked at so."""
    opened = await bench(folder, *paths)
    looks: Any = GreyLooks()
    opened.frames = looks
    return opened


def _read_all(descriptor: int) -> bytes:
    with os.fdopen(os.dup(descriptor), "rb") as pipe:
        return pipe.read()
