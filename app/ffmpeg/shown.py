"""Which frame of a video is shown at a time: the last one that has begun by then; and how ffmpeg is had to give it.

FFmpeg's own seek gives the next one (`-ss`), and its filter `fps` with `round=up` holds each frame until the next one
begins: what it gives at a time of its grid is what is shown then. Runs that use it need `-fps_mode passthrough`: else
ffmpeg shows some frames twice, so that they fill the time from 0 on.
"""

from __future__ import annotations

from dataclasses import dataclass

from app.ffmpeg.probe import DEMUXERS
from app.ffmpeg.seeking import is_exact, lead_seconds

ROUNDING_SECONDS = 0.0005
"""Times are told to the millisecond: one that is rounded down still means the frame that begins then."""

_CLOCK = "settb=AVTB"
"""Millionths of a second: the ticks of an AVI are as long as its frames, and the grid would be rounded to them."""

_MOST_HELD = 200_000
"""How many frames long the last one is shown at most, where sound goes on after it: an hour at 50 a second (0.5 s of
one core)."""

_COARSE = frozenset({"avi"})
_COARSE_LEAD_SECONDS = 1.0
"""Seeks are rounded to ticks, of which there may be one a second: then they could end after the time."""

_NEAR_SECONDS = 2.0
"""Where there is no index: streams that are broadcast have a key frame each half second to two."""

_START_SECONDS = 1.0
"""So close to the beginning nothing is sought: FLV would be read from its last key frame on."""


@dataclass(frozen=True, slots=True)
class Search:
    """One run that looks for the frame: `options` come before the input, `filters` before all other filters."""

    options: tuple[str, ...]
    filters: str


def searches(content_type: str, at: float, duration: float | None) -> tuple[Search, ...]:
    """Return the runs to try until one gives a picture; each decodes from one key frame on to the frame after `at`.

    `at` is in seconds from the beginning of the file. Where nothing has begun by then, it is the first frame; the last
    one is shown until the end of the file. `duration` None: nobody knows when that is, and there is no picture from the
    end of the last frame on.
    """
    hold = "" if duration is None else f"tpad=stop={_MOST_HELD}:stop_mode=clone,"
    end = at + ROUNDING_SECONDS
    shown = hold + _grid("1", at)
    lead = lead_seconds(content_type, at, _COARSE_LEAD_SECONDS if DEMUXERS[content_type] in _COARSE else 0.0)
    last = Search(_from(at - lead), f"{_CLOCK},{shown}")
    if is_exact(content_type) or lead <= _NEAR_SECONDS:
        return (last,)
    # What begins after `at` is cut off: there is no picture where the reading began after the key frame that counts.
    return Search(_from(at - _NEAR_SECONDS), f"{_CLOCK},trim=end={end:.6f},{shown}"), last


def shown_each(step: float, start: float = 0.0) -> str:
    """Return the filter that gives what is shown at `start` and each `step` seconds after it."""
    return f"{_CLOCK},{_grid(f'1000000/{round(step * 1_000_000)}', start)}"


def _grid(rate: str, start: float) -> str:
    # The filter's own `start_time` does not hold for the end of the stream: the last frame would be lost.
    return f"setpts=PTS-{round((start + ROUNDING_SECONDS) * 1_000_000)},fps=fps={rate}:round=up:start_time=0"


def _from(start: float) -> tuple[str, ...]:
    """All is decoded from the key frame before on, with the times of the file, from 0 on."""
    seek = ("-ss", f"{start:.6f}") if start > _START_SECONDS else ()
    return ("-copyts", "-start_at_zero", "-noaccurate_seek", *seek)
