"""ThumbHash: a picture's colours and rough shapes in about 25 bytes, for what is shown while it loads.

By the format's description and reference implementation (https://evanw.github.io/thumbhash/): luminance, two colour
differences and alpha as a few cosines each. Own code, and plain Python: docs/decisions/0029. Child side; 10 to 20 ms.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import mul

MAX_SIDE = 100
"""Larger pictures are to be reduced before, as the reference says."""


@dataclass(frozen=True, slots=True)
class _Plane:
    """One channel of a picture: its values row by row, from 0 to 1, or of a difference from -1."""

    values: list[float]
    width: int

    @property
    def rows(self) -> list[list[float]]:
        return [self.values[at : at + self.width] for at in range(0, len(self.values), self.width)]


@dataclass(frozen=True, slots=True)
class _Channel:
    """One encoded channel: mean, cosines in zigzag order scaled to 0..1, and what they were scaled by."""

    constant: float
    cosines: list[float]
    scale: float


def thumbhash(rgba: bytes, width: int) -> bytes:
    """Return the hash of a picture: sRGB and alpha, 4 bytes a pixel, not premultiplied, at most 100 pixels a side."""
    height = len(rgba) // 4 // width
    alpha = [value / 255 for value in rgba[3::4]]
    total = sum(alpha)
    has_alpha = total < width * height
    red, green, blue = (_over_average(rgba[band::4], alpha, total) for band in range(3))

    limit, longest = (5 if has_alpha else 7), max(width, height)
    columns, rows = (max(1, _half_up(limit * side / longest)) for side in (width, height))
    bands = list(zip(red, green, blue, strict=True))
    luminance = _encoded(_Plane([(r + g + b) / 3 for r, g, b in bands], width), max(3, columns), max(3, rows))
    yellow_blue = _encoded(_Plane([(r + g) / 2 - b for r, g, b in bands], width), 3, 3)
    red_green = _encoded(_Plane([r - g for r, g, _ in bands], width), 3, 3)

    is_landscape = width > height
    head = _half_up(63 * luminance.constant)
    head |= _half_up(31.5 + 31.5 * yellow_blue.constant) << 6
    head |= _half_up(31.5 + 31.5 * red_green.constant) << 12
    head |= _half_up(31 * luminance.scale) << 18 | has_alpha << 23
    head |= (rows if is_landscape else columns) << 24
    head |= _half_up(63 * yellow_blue.scale) << 27 | _half_up(63 * red_green.scale) << 33 | is_landscape << 39
    channels = [luminance, yellow_blue, red_green]
    nibbles: list[int] = []
    if has_alpha:
        opacity = _encoded(_Plane(alpha, width), 5, 5)
        nibbles += [_half_up(15 * opacity.constant), _half_up(15 * opacity.scale)]
        channels.append(opacity)
    nibbles += [_half_up(15 * cosine) for channel in channels for cosine in channel.cosines]
    nibbles += [0] * (len(nibbles) % 2)
    return head.to_bytes(5, "little") + bytes(
        low | high << 4 for low, high in zip(nibbles[::2], nibbles[1::2], strict=True)
    )


def _over_average(band: bytes, alpha: Sequence[float], total: float) -> list[float]:
    """Return a band of colour laid over its own average."""
    colour = [value / 255 for value in band]
    average = sum(map(mul, colour, alpha)) / total if total else 0.0
    return [average * (1 - seen) + value * seen for value, seen in zip(colour, alpha, strict=True)]


def _encoded(plane: _Plane, columns: int, rows: int) -> _Channel:
    lines = plane.rows
    across = [_cosines(number, plane.width) for number in range(columns)]
    down = [_cosines(number, len(lines)) for number in range(rows)]
    reduced = [[sum(map(mul, line, wave)) for line in lines] for wave in across]
    pixels = len(plane.values)
    # Rounded, so that the noise of the arithmetic on a plain surface is not taken for a shape.
    cosines = [round(sum(map(mul, reduced[x], down[y])) / pixels, 12) for x, y in _zigzag(columns, rows)]
    scale = max(map(abs, cosines), default=0.0)
    scaled = [0.5 + 0.5 / scale * one for one in cosines] if scale else cosines
    return _Channel(sum(plane.values) / pixels, scaled, scale)


def _cosines(number: int, length: int) -> list[float]:
    return [math.cos(math.pi / length * number * (at + 0.5)) for at in range(length)]


def _zigzag(columns: int, rows: int) -> Iterator[tuple[int, int]]:
    """Give the places (x, y) of the cosines that are kept, without the mean."""
    for y in range(rows):
        x = 0 if y else 1
        while x * rows < columns * (rows - y):
            yield x, y
            x += 1


def _half_up(value: float) -> int:
    """Round as JavaScript's Math.round does."""
    return math.floor(value + 0.5)
