"""Where a video is cut: always between two frames, so that no frame is lost, shown twice or shared."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

MIN_CHUNK_SECONDS = 10.0
"""Shorter chunks cost more than they save: each begins with a key frame, and a start of ffmpeg (CPU 1.01 to 1.07 of
one pass at 10 to 12 s)."""

MAX_CHUNK_SECONDS = 300.0
_CHUNKS = 24
"""How many a video of middling length is cut into: a crash costs a twenty-fourth of the work."""

_ASKED_CHUNK_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a video, from `start` on and up to `end`, which is not in it: times of frames, in seconds.

    `frames` are shown in it. `end` of the last part is that of the last frame's time on the screen.
    """

    start: float
    end: float
    frames: int

    @property
    def seconds(self) -> float:
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Grid:
    """Regular times at which frames are shown, `rate` a second, from `start` on."""

    rate: float
    start: float

    @classmethod
    def of(cls, span: Span, rate: float) -> Grid:
        """Return the grid that all parts of a video share: multiples of 1 / `rate`."""
        return cls(rate, _tick(span.start, rate) / rate)

    def frames(self, span: Span) -> int:
        return max(0, _tick(span.end, self.rate) - _tick(span.start, self.rate))


def chunk_count(seconds: float, chunked: bool | None) -> int:
    """Return into how many chunks a video is cut at most; None: as is good (1: in one piece)."""
    if chunked is False:
        return 1
    shortest = _ASKED_CHUNK_SECONDS if chunked else MIN_CHUNK_SECONDS
    length = min(max(seconds / _CHUNKS, shortest), MAX_CHUNK_SECONDS)
    return max(1, int(seconds // length))


def chunks(times: Sequence[float], keyframes: Sequence[float], end: float, count: int) -> list[Span]:
    """Cut a video at key frames into at most `count` chunks of about the same length."""
    whole = end - times[0]
    cuts = [times[0]]
    for place in range(1, count):
        at = bisect_left(keyframes, times[0] + whole * place / count)
        if at < len(keyframes) and cuts[-1] < keyframes[at] < end:
            cuts.append(keyframes[at])
    return [span_of(times, start, stop) for start, stop in zip(cuts, [*cuts[1:], end], strict=True)]


def span_of(times: Sequence[float], start: float, end: float) -> Span:
    """Return the part with the frames that begin to be shown in [start, end): it begins with the first of them, and
    ends where the next one after it begins."""
    first, last = bisect_left(times, start - _SAME), bisect_left(times, end - _SAME)
    begins = times[first] if first < len(times) else end
    ends = times[last] if last < len(times) else max(end, begins)
    return Span(begins, ends, last - first)


def keyframe_span(times: Sequence[float], keyframes: Sequence[float], span: Span, end: float) -> Span:
    """Return the part that begins with the key frame at or before a span's start, and ends with the one at or after
    its end (`end`, where there is none)."""
    start = keyframes[max(0, bisect_right(keyframes, span.start + _SAME) - 1)]
    after = bisect_left(keyframes, span.end - _SAME)
    return span_of(times, start, keyframes[after] if after < len(keyframes) else end)


def end_of(times: Sequence[float], duration: float) -> float:
    """Return when the last frame is no longer shown: after as long as the one before it, or at the end of the file if
    that is sooner than a second after."""
    step = times[-1] - times[-2] if len(times) > 1 else 0.04
    return min(max(times[-1] + step, min(duration, times[-1] + 1.0)), times[-1] + max(step, 1.0))


_SAME = 0.0005
"""Times closer than this are the same: clients write 0.333 for a third, and WebM counts milliseconds."""


def _tick(time: float, rate: float) -> int:
    return math.ceil(time * rate - 1e-4)
