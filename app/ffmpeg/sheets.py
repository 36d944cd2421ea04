"""Sheets of small pictures: a contact sheet, and the sprites from which players show what is under the pointer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, sqrt


@dataclass(frozen=True, slots=True)
class Grid:
    """`columns` x `rows` tiles of `width` x `height` pixels, side by side."""

    columns: int
    rows: int
    width: int
    height: int

    @property
    def tiles(self) -> int:
        return self.columns * self.rows

    @property
    def pixels(self) -> int:
        return self.tiles * self.width * self.height

    def place(self, index: int) -> tuple[int, int]:
        """Return the left upper corner of a tile of its sheet, in pixels."""
        return index % self.columns * self.width, index // self.columns * self.height

    def document(self) -> dict[str, int]:
        """Return what is told of it as JSON."""
        return {"columns": self.columns, "rows": self.rows, "tileWidth": self.width, "tileHeight": self.height}

    def scale(self) -> str:
        """Return the filters that make tiles of frames."""
        return f"scale={self.width}:{self.height}:flags=area,setsar=1"

    def tile(self) -> str:
        """Return the filter that makes sheets of tiles."""
        return f"tile={self.columns}x{self.rows}"


def grid_of(count: int, tile: tuple[int, int], most_pixels: int) -> Grid:
    """Return a grid that is about square for `count` tiles, made smaller until the sheet has at most `most_pixels`.

    Tiles have even sides: where chroma has half the resolution, they could not lie at odd places.
    """
    columns = max(1, round(sqrt(count)))
    rows = ceil(count / columns)
    width, height = tile
    shrink = min(1.0, sqrt(most_pixels / (columns * rows * width * height)))
    return Grid(columns, rows, _even(width * shrink), _even(height * shrink))


@dataclass(frozen=True, slots=True)
class Cue:
    """A tile is shown from `start` to `end` (seconds); `index` counts over all sheets."""

    start: float
    end: float
    index: int


def webvtt(cues: Sequence[Cue], grid: Grid, addresses: Sequence[str]) -> str:
    """Return the thumbnail track: WebVTT whose cues name a part of a sheet (Media Fragments URI 1.0, `#xywh=`).

    `addresses`: where each sheet is, in order, absolute or relative to where the track is.
    """
    lines = ["WEBVTT", ""]
    for cue in cues:
        sheet, index = divmod(cue.index, grid.tiles)
        x, y = grid.place(index)
        lines += [
            f"{_clock(cue.start)} --> {_clock(cue.end)}",
            f"{addresses[sheet]}#xywh={x},{y},{grid.width},{grid.height}",
            "",
        ]
    return "\n".join(lines)


def _clock(seconds: float) -> str:
    milliseconds = round(seconds * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest // 1000:02d}.{rest % 1000:03d}"


def _even(length: float) -> int:
    return max(2, 2 * round(length / 2))
