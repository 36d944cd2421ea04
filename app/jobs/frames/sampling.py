"""Which frames of a video are looked at, and how ffmpeg gives them: by rate, every so many, or key frames."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal

from app.ffmpeg.predictor import decode_bytes, picture_bytes
from app.ffmpeg.probe import DEMUXERS, VideoStream
from app.ffmpeg.runner import guarded_input
from app.ffmpeg.seeking import Window
from app.ffmpeg.works import Work

SEGMENT_SECONDS = 60.0
KEYFRAME_SEGMENT_SECONDS = 600.0
"""Of the video, in one durable step. Key frames are decoded at 80 times its speed (facts)."""

TRACKED_FPS = 20.0
"""From this rate on a tracker follows what it has found; below, each frame is looked at by itself. Measured with the
video of a thumb (145 of 195 frames show Thumb_Up): followed at 30 frames a second 145, at 10 a second 4 of 64, where
looking at each by itself finds 41 of 64: from one frame to the next the hand has moved too far."""

_EDGE_SECONDS = 1e-4
"""Times of frames are rounded to a millionth, and to the ticks of their container."""

_LEAD_SECONDS = 1.0
"""How much earlier than its first sample a part is read from."""

_TAIL_SECONDS = 2.0
_RATE_ODDS = 4
"""Frames that no other one refers to are not decoded where less than every fourth frame is looked at."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """`mode` says what `value` is: samples a second, or every how many frames one is; nothing for key frames."""

    mode: Literal["rate", "every", "keyframes"]
    value: float
    start: float
    end: float

    @property
    def segment_seconds(self) -> float:
        return KEYFRAME_SEGMENT_SECONDS if self.mode == "keyframes" else SEGMENT_SECONDS

    def segments(self) -> list[tuple[float, float]]:
        """Return from when to when each step goes, in seconds; at a rate, each begins with a sample."""
        length = self.segment_seconds
        if self.mode == "rate":
            length = max(1.0, math.floor(length * self.value)) / self.value
        count = max(1, math.ceil((self.end - self.start) / length - 1e-9))
        edges = [self.start + number * length for number in range(count)] + [self.end]
        return list(pairwise(edges))

    def samples_a_second(self, video: VideoStream) -> float:
        """Return how many frames are looked at for a second of the video; key frames are sparse."""
        if self.mode == "rate":
            return self.value
        return (video.frame_rate or 25.0) / self.value if self.mode == "every" else 1.0

    def is_tracked(self, video: VideoStream) -> bool:
        return self.mode != "keyframes" and self.samples_a_second(video) >= TRACKED_FPS


@dataclass(frozen=True, slots=True)
class FrameTimes:
    """Times of frames of a part of a video, of which `before` come earlier; `keyframes` are those of key frames."""

    before: int
    times: array[float]
    keyframes: Sequence[float] = ()


@dataclass(frozen=True, slots=True)
class Samples:
    """Frames that are looked at: when each is shown, and its number in the video; and how ffmpeg makes them.

    The file is read from `start` to `end` (seconds): for the filters, `start` is at time 0. `options` stand before the
    input, `filters` before those that scale; `most_missing` of them may be missing at the end: the last frame of a file
    is not always decoded.
    """

    times: Sequence[float]
    frames: Sequence[int]
    start: float = 0.0
    end: float = 0.0
    options: Sequence[str] = ()
    filters: Sequence[str] = ()
    most_missing: int = 0


def at_rate(sampling: Sampling, known: FrameTimes, span: tuple[float, float], frame_rate: float) -> Samples:
    """Return samples at a regular rate: at each time the frame that is shown then.

    `known` are the frames of the span; no sample is after the last of all frames, which is shown until `span[1]`.
    """
    rate, (first, last) = sampling.value, span
    number = round((first - sampling.start) * rate)
    count = max(0, math.ceil((last - first) * rate - 1e-6))
    times = [round(sampling.start + (number + one) / rate, 6) for one in range(count)]
    frames = [max(0, known.before + bisect_right(known.times, time + _EDGE_SECONDS) - 1) for time in times]
    # It begins at a frame, as times are rounded to ticks from there on, and with some that may be left out.
    earlier = bisect_right(known.times, first - _LEAD_SECONDS + _EDGE_SECONDS)
    seek = known.times[earlier - 1] if earlier else 0.0
    skipped = ["-skip_frame", "noref"] if rate * _RATE_ODDS <= frame_rate else []
    offset = round((first - seek + _EDGE_SECONDS) * 1_000_000)
    filters = [f"settb=AVTB,setpts=PTS-{offset},fps={rate:.10g}:round=up:start_time=0"]
    return Samples(times, frames, seek, last + _TAIL_SECONDS, skipped, filters, most_missing=1)


def every_so_many(sampling: Sampling, known: FrameTimes, span: tuple[float, float], base: int) -> Samples:
    """Return every so many frames, counted from the frame of number `base` on; `known` begins before the span."""
    every, found = int(sampling.value), known.times
    least, most = bisect_left(found, span[0] - _EDGE_SECONDS), bisect_left(found, span[1] - _EDGE_SECONDS)
    chosen = [at for at in range(least, most) if (known.before + at - base) % every == 0]
    if not chosen:
        return Samples([], [])
    first = chosen[0]
    earlier = found[first - 1] if first else found[first] - 0.02
    seek = max(0.0, (earlier + found[first]) / 2)
    times = [round(found[at], 6) for at in chosen]
    filters = [f"select=not(mod(n\\,{every}))"] if every > 1 else []
    numbers = [known.before + at for at in chosen]
    return Samples(times, numbers, seek, times[-1] + _TAIL_SECONDS, (), filters, _slack(chosen))


def key_frames(known: FrameTimes, span: tuple[float, float]) -> Samples:
    """Return the key frames of a span."""
    least, most = (bisect_left(known.keyframes, edge - _EDGE_SECONDS) for edge in span)
    times = [round(time, 6) for time in known.keyframes[least:most]]
    if not times:
        return Samples([], [])
    frames = [known.before + bisect_left(known.times, time - _EDGE_SECONDS) for time in times]
    start, end = max(0.0, times[0] - 0.01), times[-1] + _TAIL_SECONDS
    return Samples(times, frames, start, end, ["-skip_frame", "nokey"], (), _slack(times))


def frames_work(
    path: Path, content_type: str, video: VideoStream, samples: Samples, size: tuple[int, int], threads: int
) -> Work:
    """Return the run that gives the samples as rgb24 of this size on its standard output."""
    window = Window(content_type, samples.start, samples.end)
    filters = ",".join([*window.pictures, *samples.filters, f"scale={size[0]}:{size[1]}:flags=bilinear"])
    return Work(
        arguments=[
            *("-threads", str(threads), "-filter_threads", "1", *samples.options, *window.options),
            *guarded_input(path, DEMUXERS[content_type]),
            *("-map", "0:V:0", "-an", "-sn", "-dn", "-vf", filters, "-fps_mode", "passthrough"),
            *("-frames:v", str(len(samples.times)), "-f", "rawvideo", "-pix_fmt", "rgb24", "pipe:1"),
        ],
        cost_bytes=frames_bytes(video, size, threads),
        threads=threads,
        reads=(path,),
        writes=(),
        file_bytes=0,
        seconds=max(1.0, samples.times[-1] - samples.times[0]),
    )


def frames_bytes(video: VideoStream, size: tuple[int, int], threads: int) -> int:
    """Return the predicted peak of such a run."""
    picture = picture_bytes(video.coded_width, video.coded_height, deep=video.is_deep)
    return decode_bytes(picture, threads) + 4 * size[0] * size[1] * 3


def _slack(chosen: Sequence[object]) -> int:
    return max(1, len(chosen) // 100)
