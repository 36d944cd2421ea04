"""When each frame of a video is shown: listed once, without decoding, kept in a file, and read part by part.

So that a frame has its number in the video by the timestamps, whatever its rate, and a video that is cut off is found
out before anything is looked at. Ten hours have a million frames: 8 MB on the disk.
"""

from __future__ import annotations

from array import array

from app.errors import InvalidMedia
from app.jobs.frames.sampling import FrameTimes
from app.jobs.plan import Json
from app.jobs.source import Source
from app.jobs.workshop import Workshop

_FRAMES = "frames.f64"
_KEYFRAMES = "keyframes.f64"

FRAME_BYTES = 8

_EARLIER_SECONDS = 10.0
"""A part has the frames of so many seconds before it, too: the last of them tells where a seek may go."""

_LEAST_SHARE, _SLACK_SECONDS = 0.98, 1.0
"""How much of what the container says there must be: the sound may be a little longer than the pictures."""


async def write_index(shop: Workshop, start: float, keyframes: bool) -> Json:
    """List the frames; return how many there are, how many before `start`, and until when the last one is shown.

    Raises:
        InvalidMedia: the video is shorter than its container says.
        BallastError: see `FFmpegWorks.timestamps`.
    """
    source = shop.sources[0]
    async with shop.local(source) as path:
        times = array("d", await shop.ffmpeg.timestamps(path, source.item.content_type))
        keys = await shop.ffmpeg.keyframes(path, source.item.content_type) if keyframes else array("d")
    end = times[-1] + _gap(source, times)
    _check_whole(source, len(times), end)
    await shop.files.write_numbers(shop.file(_FRAMES), times)
    await shop.files.write_numbers(shop.file(_KEYFRAMES), keys)
    before = sum(1 for time in times if time < start - 1e-4)
    return {"frames": len(times), "before": before, "end": round(end, 6)}


async def read_times(shop: Workshop, span: tuple[float, float]) -> FrameTimes:
    """Return the frames of a part, and of some seconds before it."""
    least = span[0] - _EARLIER_SECONDS
    before, times = await shop.files.numbers_between(shop.file(_FRAMES), least, span[1])
    _, keyframes = await shop.files.numbers_between(shop.file(_KEYFRAMES), least, span[1])
    return FrameTimes(before, times, keyframes)


def _gap(source: Source, times: array[float]) -> float:
    """Return how long the last frame is shown."""
    if len(times) > 1:
        return min(times[-1] - times[-2], 1.0)
    return 1.0 / (source.video.frame_rate or 25.0)


def _check_whole(source: Source, frames: int, end: float) -> None:
    known = source.video.frames
    if known is not None:
        is_short = frames < known * _LEAST_SHARE - 1
        told = f"{frames} frames of {known}"
    else:
        is_short = end < source.duration_seconds * _LEAST_SHARE - _SLACK_SECONDS
        told = f"{end:.1f} s of {source.duration_seconds:.1f}"
    if is_short:
        raise InvalidMedia(f"The video is cut off: there are {told}.")
