"""When pictures of a video are taken, and which way is cheaper: a seek for each, or one pass over all of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from app.errors import InvalidParameter
from app.ffmpeg.probe import VideoStream

MOST = 1000
"""Pictures of one job."""

_SEEK_SECONDS = 0.1
"""What starting ffmpeg and opening the file takes."""

_SEEK_FRAMES = 125
"""How many frames are decoded to reach one: half of a group of 250, which x264 makes where nothing else is asked."""

_PIXELS_A_SECOND = 200 * 1920 * 1080
"""What one core decodes (1080p H.264: 165 to 280 frames a second)."""


@dataclass(frozen=True, slots=True)
class Moments:
    """Times in seconds, in the order in which they were asked for. `step`: where they are regular, from one to the
    next, else None."""

    times: tuple[float, ...]
    step: float | None

    def seeks(self, video: VideoStream, duration: float) -> bool:
        """Whether a seek for each is cheaper than one pass over all frames: then they are further apart than about
        half a group of pictures."""
        if self.step is None or len(self.times) < 2:
            return True
        frame_seconds = video.coded_width * video.coded_height / _PIXELS_A_SECOND
        frames = (video.frame_rate or 25.0) * (duration - self.times[0])
        return len(self.times) * (_SEEK_SECONDS + _SEEK_FRAMES * frame_seconds) < _SEEK_SECONDS + frames * frame_seconds

    @classmethod
    def spread(cls, count: int, duration: float) -> Moments:
        """Return the middles of `count` equal parts, each to the millisecond."""
        step = max(0.001, int(duration * 1000 / count) / 1000)
        first = round(step / 2, 3)
        return cls(tuple(round(first + number * step, 3) for number in range(count)), step)

    @classmethod
    def each(cls, interval: float, duration: float) -> Moments:
        """Return one each `interval`, from the beginning.

        Raises:
            InvalidParameter: there would be too many.
        """
        count = max(1, ceil(round(duration / interval, 6)))
        if count > MOST:
            raise InvalidParameter(
                f"interval: {count} pictures are more than the {MOST} that one job makes; "
                f"the shortest interval for this video is {ceil(duration * 1000 / MOST) / 1000:g} seconds."
            )
        return cls(tuple(round(number * interval, 3) for number in range(count)), interval)

    @classmethod
    def at(cls, times: Sequence[float], duration: float) -> Moments:
        """Return these times; one that is given twice is one.

        Raises:
            InvalidParameter: one is outside of the video.
        """
        for time in times:
            if not 0 <= time <= duration:
                raise InvalidParameter(f"at: {time:g} is outside of the video, which lasts {duration:g} seconds.")
        return cls(tuple(dict.fromkeys(round(time, 3) for time in times)), None)
