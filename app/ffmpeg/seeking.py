"""Where a file is read from, so that what is wanted of it can be decoded from its first frame or sample on."""

from __future__ import annotations

from dataclasses import dataclass

from app.ffmpeg.probe import DEMUXERS

_WITHOUT_INDEX = frozenset({"mpegts", "mpeg", "flv", "asf", "ogg"})
"""They are not sought in exactly: decoding begins at the first key frame after where the reading begins."""

_FROM_BEGINNING = frozenset({"flv"})
"""FFmpeg looks at the end of such a file for its duration, and then often knows no other place in it: a seek ends at
the last key frame. So it is read from its beginning."""

_LEAD_SECONDS = 10.0
"""Of such a file: longer than key frames are apart, but for rare ones, of which too few frames are found out."""

_FROM_THE_START = 1e-6
"""Without `-ss`, FFmpeg counts time in such a file from the first of the streams that are used, with it from the start
of the file: sound and pictures that are read one after the other would lose step."""

_TICK_SECONDS = 0.0005
"""Times are rounded: a frame that begins so little before the start is the one that begins there."""

_TAIL_SECONDS = 1.0
"""Frames come in the order of decoding: so much longer a file without an index is read."""


def is_exact(content_type: str) -> bool:
    """Return whether a file of this type is sought in exactly."""
    return DEMUXERS[content_type] not in _WITHOUT_INDEX


def lead_seconds(content_type: str, start: float, least: float = 0.0) -> float:
    """Return how many seconds before `start` a file is read from; `least`, if there are so many."""
    if DEMUXERS[content_type] in _FROM_BEGINNING:
        return start
    return min(start, least if is_exact(content_type) else max(least, _LEAD_SECONDS))


def seek(content_type: str, start: float) -> list[str]:
    """Return the options of an input that is read from `start` (seconds) on."""
    if is_exact(content_type) or DEMUXERS[content_type] in _FROM_BEGINNING:
        return ["-ss", f"{start:.6f}"] if start > 0 else []
    return ["-ss", f"{max(start, _FROM_THE_START):.6f}"]


@dataclass(frozen=True, slots=True)
class Window:
    """What is read of a file of this type, from `start` to `end` (seconds): after the filters, `start` is at time 0.

    `options` stand before the input. `pictures` and `sound` come before all other filters of the streams that are
    used: they cut off what had to be read before; there are none where the file is sought in exactly.
    """

    content_type: str
    start: float
    end: float

    @property
    def options(self) -> list[str]:
        lead = self._lead
        length = self.end - self.start + lead + (_TAIL_SECONDS if lead else 0.0)
        return [*seek(self.content_type, self.start - lead), "-t", f"{length:.6f}"]

    @property
    def pictures(self) -> list[str]:
        if not self._lead:
            return []
        # Millionths of a second: in the ticks of an FLV the new times would be rounded.
        return ["settb=AVTB", f"trim={self._cut}", f"setpts=PTS-{round(self._lead * 1_000_000)}"]

    @property
    def sound(self) -> list[str]:
        return [f"atrim={self._cut}", f"asetpts=PTS-{self._lead:.6f}/TB"] if self._lead else []

    @property
    def _lead(self) -> float:
        return lead_seconds(self.content_type, self.start)

    @property
    def _cut(self) -> str:
        lead = self._lead
        return f"start={lead - _TICK_SECONDS:.6f}:end={lead + self.end - self.start - _TICK_SECONDS:.6f}"
