"""Where to look for faces of any size: square tiles of a picture at several scales. Knows no pixels."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

TILE_SIDE = 144
"""Side of a tile in pixels of its level. The detector sees it in 128: a face is found from 0.16 of its side on up to
0.9 of it (measured at 0 to 90 degrees), so 24 pixels at the finest level."""

_STRIDE = 88
"""Two tiles share 56 pixels: a face of up to 46, twice the smallest, and what is around it, is whole in one of them.
Larger ones are looked for at the next level, which is half as large."""

_MARGIN = 24
"""By how much the tiles at the border lie outside: the detector wants to see something around a face."""


@dataclass(frozen=True, slots=True)
class Tile:
    """A square of one level: `left`, `top` and `side` in pixels of the level; parts may be outside of it."""

    left: int
    top: int
    side: int

    @property
    def right(self) -> int:
        return self.left + self.side

    @property
    def bottom(self) -> int:
        return self.top + self.side


@dataclass(frozen=True, slots=True)
class Level:
    """A picture divided by `scale`, a power of two: its size then, rounded up."""

    scale: int
    width: int
    height: int

    def tiles(self) -> Iterator[Tile]:
        """Yield the tiles that cover it, row by row; one around all of it where it fits into one."""
        side = TILE_SIDE
        if max(self.width, self.height) + 2 * _MARGIN <= side:
            yield Tile(-((side - self.width) // 2), -((side - self.height) // 2), side)
            return
        for top in _starts(self.height):
            for left in _starts(self.width):
                yield Tile(left, top, side)

    @property
    def looks(self) -> int:
        """How many tiles it has."""
        if max(self.width, self.height) + 2 * _MARGIN <= TILE_SIDE:
            return 1
        return len(_starts(self.width)) * len(_starts(self.height))


def levels(width: int, height: int) -> list[Level]:
    """Return the levels of a picture, from the finest down to the one that fits into one tile."""
    found = [Level(1, width, height)]
    while found[-1].looks > 1:
        last = found[-1]
        found.append(Level(2 * last.scale, -(-last.width // 2), -(-last.height // 2)))
    return found


def count_looks(width: int, height: int) -> int:
    """Return how often a model looks at a picture of this size, at most."""
    return sum(level.looks for level in levels(width, height))


def _starts(length: int) -> list[int]:
    """Return where tiles begin along a side, spread evenly: the first and the last stand out by `_MARGIN`."""
    room = length + 2 * _MARGIN - TILE_SIDE
    if room <= 0:
        return [-((TILE_SIDE - length) // 2)]
    steps = math.ceil(room / _STRIDE)
    return [round(step * room / steps) - _MARGIN for step in range(steps + 1)]
