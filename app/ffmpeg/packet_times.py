"""When the frames of a video are shown."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PacketTimes:
    """`times` of all frames that are shown, in order; `keyframes`: those of the key frames, in order; in seconds from
    the start of the file, as ffmpeg's `-ss` counts them. `places`: how many packets come before each key frame in the
    file, which is in the order of decoding. `hidden` are there to be decoded, but not shown: an edit list begins after
    them."""

    times: array[float]
    keyframes: array[float]
    places: array[int]
    hidden: int = 0

    def packets_between(self, start: float, end: float) -> int:
        """Return how many packets there are from the key frame at `start` on, up to the one at `end` or to the last."""
        first, last = bisect_left(self.keyframes, start), bisect_left(self.keyframes, end)
        stop = self.places[last] if last < len(self.places) else len(self.times)
        return stop - self.places[first]
