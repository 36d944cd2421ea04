"""When each frame of a video is shown: listed once, without decoding, kept in a file, and read part by part.

So that a frame has its number in the video by the timestamps, whatever its rate, and a video that is cut off is found
out before anything is looked at. Ten hours have a million frames: 8 MB on the disk.
"""

from __future__ import annotations

from array import array

from app.jobs.frames.frame_list import list_frames, shown_until
from app.jobs.frames.sampling import FrameTimes
from app.jobs.plan import Json
from app.jobs.workshop import Workshop

_FRAMES = "frames.f64"
_KEYFRAMES = "keyframes.f64"

FRAME_BYTES = 8

_EARLIER_SECONDS = 10.0
"""A part has the frames of so many seconds before it, too: the last of them tells where a seek may go."""


async def write_index(shop: Workshop, start: float, keyframes: bool) -> Json:
    """List the frames; return how many there are, how many before `start`, and until when the last one is shown.

    Raises:
        BallastError: see `list_frames`.
    """
    source = shop.sources[0]
    async with shop.local(source) as path:
        listed = await list_frames(shop, source, path)
    times, keys = listed.times, listed.keyframes if keyframes else array("d")
    await shop.files.write_numbers(shop.file(_FRAMES), times)
    await shop.files.write_numbers(shop.file(_KEYFRAMES), keys)
    before = sum(1 for time in times if time < start - 1e-4)
    return {"frames": len(times), "before": before, "end": round(shown_until(source, listed), 6)}


async def read_times(shop: Workshop, span: tuple[float, float]) -> FrameTimes:
    """Return the frames of a part, and of some seconds before it."""
    least = span[0] - _EARLIER_SECONDS
    before, times = await shop.files.numbers_between(shop.file(_FRAMES), least, span[1])
    _, keyframes = await shop.files.numbers_between(shop.file(_KEYFRAMES), least, span[1])
    return FrameTimes(before, times, keyframes)
