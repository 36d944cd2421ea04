"""Where a file is read from, so that what is wanted of it can be decoded from its first frame or sample on."""

from __future__ import annotations

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
