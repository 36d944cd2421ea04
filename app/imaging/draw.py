"""Landmarks, boxes and labels drawn on a picture. Child side."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from app.domain.sketch import Point, Sketch
from app.imaging.decode import RgbArray

MaskArray = npt.NDArray[np.uint8]
"""Grey, (H, W): 255 where something is surely shown, 0 where it is not."""

_COLOURS = ((0, 230, 118), (255, 167, 38), (41, 182, 246), (236, 64, 122), (255, 238, 88), (171, 71, 188))
_POINT_COLOUR = (255, 255, 255)
_CONTRAST = (16, 16, 16)
_FINE_FROM = 100  # a face mesh has 478 points: dots as large as a hand's would hide the face
_LINE_SHARE = 1 / 160
_TEXT_SHARE = 1 / 24
_SMALLEST_TEXT = 11
_FAR = 2.0
_SHADE = 0.7


def draw_sketches(rgb: RgbArray, sketches: Sequence[Sketch], mask: MaskArray | None = None) -> RgbArray:
    """Return a copy of an RGB picture, uint8 (H, W, 3), with the sketches on it, each in a colour of its own.

    Widths follow the shorter side, and everything has a dark edge, so that it is seen on any picture of any size.
    Points that are not finite are left out, with the lines that lead to them. Where a `mask`, of any size, shows
    nothing the picture is darkened first.

    Raises:
        IndexError: a connection names a point that is not there.
    """
    image = Image.fromarray(rgb)
    if mask is not None:
        image.paste(_CONTRAST, mask=Image.fromarray(fit_mask(mask, image.size)).point(_shade))
    pen = _Pen(image)
    for index, sketch in enumerate(sketches):
        pen.sketch(sketch, _COLOURS[index % len(_COLOURS)])
    return np.asarray(image)


def fit_mask(mask: MaskArray, size: tuple[int, int]) -> MaskArray:
    """Return a mask in this width and height, its soft edge kept."""
    if mask.shape == size[::-1]:
        return mask
    return np.asarray(Image.fromarray(mask).resize(size, Image.Resampling.BILINEAR))


def _shade(value: int) -> int:
    return round((255 - value) * _SHADE)


class _Pen:
    def __init__(self, image: Image.Image) -> None:
        self._draw = ImageDraw.Draw(image)
        self._size = image.size
        self._line = max(1, round(min(image.size) * _LINE_SHARE))
        self._edge = max(1, round(self._line / 3))

    def sketch(self, sketch: Sketch, colour: tuple[int, int, int]) -> None:
        points = [self._place(point) for point in sketch.points]
        pairs = [(points[start], points[end]) for start, end in sketch.connections]
        lines = [(start, end) for start, end in pairs if start is not None and end is not None]
        for width, ink in ((self._line + 2 * self._edge, _CONTRAST), (self._line, colour)):
            for start, end in lines:
                self._draw.line((start, end), fill=ink, width=width)
        placed = [point for point in points if point is not None]
        self._dots(placed, len(placed) >= _FINE_FROM)
        corner = self._frame(sketch.box, colour)
        if sketch.label and (corner or placed):
            self._text(sketch.label, corner or min(placed, key=lambda point: point[1]), colour)

    def _place(self, point: Point) -> Point | None:
        """Turn 0..1 into pixels; what is far outside is kept near, as Pillow draws only in 16-bit coordinates."""
        if not all(math.isfinite(value) for value in point):
            return None
        x, y = (min(max(value, -_FAR), _FAR) for value in point)
        return x * (self._size[0] - 1), y * (self._size[1] - 1)

    def _dots(self, points: list[Point], fine: bool) -> None:
        radius = self._line / 2 if fine else self._line * 1.25
        for x, y in points:
            if not fine:
                outer = radius + self._edge
                self._draw.ellipse((x - outer, y - outer, x + outer, y + outer), fill=_CONTRAST)
            self._draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=_POINT_COLOUR)

    def _frame(self, box: tuple[float, float, float, float] | None, colour: tuple[int, int, int]) -> Point | None:
        if box is None:
            return None
        first, second = self._place((box[0], box[1])), self._place((box[0] + box[2], box[1] + box[3]))
        if first is None or second is None:
            return None
        left, right = sorted((first[0], second[0]))
        top, bottom = sorted((first[1], second[1]))
        outer = (left - self._edge, top - self._edge, right + self._edge, bottom + self._edge)
        self._draw.rectangle(outer, outline=_CONTRAST, width=self._line + 2 * self._edge)
        self._draw.rectangle((left, top, right, bottom), outline=colour, width=self._line)
        return left, top

    def _text(self, text: str, corner: Point, colour: tuple[int, int, int]) -> None:
        """Write above the corner, moved into the picture where it would leave it."""
        size = max(_SMALLEST_TEXT, min(self._size) * _TEXT_SHARE)
        font = ImageFont.load_default(size)
        stroke = max(1, round(size / 10))
        left, top, right, bottom = self._draw.textbbox((0, 0), text, font=font, stroke_width=stroke)
        gap = 2 * self._line + 2 * self._edge
        x = min(max(corner[0], 0), max(0, self._size[0] - (right - left)))
        y = min(max(corner[1] - gap - (bottom - top), 0), max(0, self._size[1] - (bottom - top)))
        origin = (x - left, y - top)
        self._draw.text(origin, text, fill=colour, font=font, stroke_width=stroke, stroke_fill=_CONTRAST)
