"""A second, closer look at what may be a face: cut out, turned upright, in the size that the detector sees best.

Child side. Over tiles of stones, cloth and hands the detector sees a face in every third one at a score of 0.5 to 0.76,
and a small or turned face has no more. Looked at closely, every face of `benchmarks.faces` has 0.78 to 0.97, and
nearly all false alarms less.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from app.domain.landmarks import Box, Detection

if TYPE_CHECKING:
    from app.vision.face_search import Look

_SURE = 0.74
_SURE_AT_BORDER = 0.55
"""For what the border of the picture cuts: with 0.74, a third of the faces of which 0.4 is hidden is missed."""

_OUTSIDE = 0.1
_SIDE = 128
"""Pixels of what is looked at: those of the detector's input (`blaze_face_short_range.tflite`)."""

_WIDE, _NARROW = 2.6, 1.8
"""How much is seen, in widths of the face: the score is the mean of both."""

_FAR = 4.0
"""How much is seen around a face that has moved: the detector still makes it out, at a quarter of the side."""

_TURNS = (0.0, 0.7, -0.7, 1.4, -1.4, math.pi)
"""Radians that are tried on top of the angle of the eyes, which is misread in faces that lie or stand on their head."""

_CENTRED = 0.2
_SIZES = (0.5, 2.0)

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class _Frame:
    """A square of a picture, in its pixels: its middle, its side, and by how many radians it is turned (clockwise)."""

    middle: Point
    side: float
    angle: float

    def point(self, x: float, y: float) -> Point:
        """Return where a point of it (0..1) is in the picture."""
        across, down = (x - 0.5) * self.side, (y - 0.5) * self.side
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        return self.middle[0] + cos * across - sin * down, self.middle[1] + sin * across + cos * down

    def cut(self, image: Image.Image) -> Image.Image:
        """Return what it shows, `_SIDE` pixels a side, upright. Beyond the picture its last row and column go on."""
        scale = self.side / _SIDE
        shrink = max(1, int(scale))
        reach = self.side  # more than half a diagonal
        left, top = (math.floor(at - reach) for at in self.middle)
        right, bottom = (math.ceil(at + reach) for at in self.middle)
        part = _continued(image, (left, top, right, bottom))
        part = part.reduce(shrink) if shrink > 1 else part
        cos, sin = (value * scale / shrink for value in (math.cos(self.angle), math.sin(self.angle)))
        x, y = (self.middle[0] - left) / shrink, (self.middle[1] - top) / shrink
        half = _SIDE / 2
        matrix = (cos, -sin, x - (cos - sin) * half, sin, cos, y - (sin + cos) * half)
        return part.transform((_SIDE, _SIDE), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)


class CloseLook:
    """Looks at likely faces until its `looks` are used up; then those count that were sure at the first look."""

    def __init__(self, look: Look, looks: int) -> None:
        self._detector = look
        self._left = looks

    def at(self, image: Image.Image, likely: Detection) -> Detection | None:
        """Return a likely face as it is seen closely, or None where there is none."""
        if self._left < 0:
            return likely if likely["score"] >= _SURE else None
        box, (width, height) = likely["box"], image.size
        middle = ((box["x"] + box["width"] / 2) * width, (box["y"] + box["height"] / 2) * height)
        side, angle = box["width"] * width, _angle([(p["x"] * width, p["y"] * height) for p in likely["landmarks"]])
        sure = _SURE_AT_BORDER if _stands_out(box) else _SURE
        for turn in _TURNS:
            seen = self._seen(image, _Frame(middle, _WIDE * side, angle + turn))
            if seen is None:
                continue
            again = _Frame(middle, _WIDE * side, angle + turn + _angle(_points(seen)))
            wide, narrow = self._seen(image, again), self._seen(image, _Frame(middle, _NARROW * side, again.angle))
            if wide is not None and narrow is not None and (score := (wide["score"] + narrow["score"]) / 2) >= sure:
                return _placed(wide, again, image.size, score)
        return None

    def near(self, image: Image.Image, known: Detection) -> Detection | None:
        """Return a face that was there a moment ago, and has moved by no more than its width; None: it is not seen."""
        box, (width, height) = known["box"], image.size
        middle = ((box["x"] + box["width"] / 2) * width, (box["y"] + box["height"] / 2) * height)
        angle = _angle([(p["x"] * width, p["y"] * height) for p in known["landmarks"]])
        frame = _Frame(middle, _FAR * box["width"] * width, angle)
        self._left -= 1
        found = self._detector(np.asarray(frame.cut(image)))
        moved = max(filter(_is_as_large, found), key=lambda face: face["score"], default=None)
        return self.at(image, known if moved is None else _placed(moved, frame, image.size, moved["score"]))

    def _seen(self, image: Image.Image, frame: _Frame) -> Detection | None:
        """Return the surest face in the middle of the frame."""
        self._left -= 1
        found = self._detector(np.asarray(frame.cut(image)))
        return max(filter(_is_central, found), key=lambda face: face["score"], default=None)


def _is_central(face: Detection) -> bool:
    box = face["box"]
    aside = math.hypot(box["x"] + box["width"] / 2 - 0.5, box["y"] + box["height"] / 2 - 0.5)
    return aside < _CENTRED and _SIZES[0] / _WIDE < box["width"] < _SIZES[1] / _NARROW


def _is_as_large(face: Detection) -> bool:
    return _SIZES[0] / _FAR < face["box"]["width"] < _SIZES[1] / _FAR


def _stands_out(box: Box) -> bool:
    """Whether a part of it is outside the picture."""
    x, y = _OUTSIDE * box["width"], _OUTSIDE * box["height"]
    return min(box["x"] + x, box["y"] + y) < 0 or max(box["x"] + box["width"] - x, box["y"] + box["height"] - y) > 1


def _continued(image: Image.Image, corners: tuple[int, int, int, int]) -> Image.Image:
    """Return the rectangle left, top, right, bottom of a picture; where there is none, what is nearest."""
    left, top, right, bottom = corners
    inner = (max(0, left), max(0, top), min(image.width, right), min(image.height, bottom))
    part = image.crop(inner)
    around = ((inner[1] - top, bottom - inner[3]), (inner[0] - left, right - inner[2]), (0, 0))
    if not any(map(any, around)):
        return part
    return Image.fromarray(np.pad(np.asarray(part), around, mode="edge"))


def _points(face: Detection) -> list[Point]:
    return [(point["x"], point["y"]) for point in face["landmarks"]]


def _angle(points: list[Point]) -> float:
    """Return how far a face is turned, in radians: by its first two points, the eyes."""
    (right_x, right_y), (left_x, left_y) = points[:2]
    return math.atan2(left_y - right_y, left_x - right_x)


def _placed(face: Detection, frame: _Frame, size: tuple[int, int], score: float) -> Detection:
    """Return a face of a frame as part of the picture; its box, upright there, is the square around its middle."""
    box = face["box"]
    x, y = frame.point(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    side = box["width"] * frame.side
    points = [frame.point(*point) for point in _points(face)]
    return {
        "landmarks": [{"x": round(px / size[0], 6), "y": round(py / size[1], 6), "z": 0.0} for px, py in points],
        "box": {
            "x": round((x - side / 2) / size[0], 6),
            "y": round((y - side / 2) / size[1], 6),
            "width": round(side / size[0], 6),
            "height": round(side / size[1], 6),
        },
        "score": round(score, 6),
    }
