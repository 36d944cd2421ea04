"""The whole head that belongs to a face."""

from __future__ import annotations

import math

from app.domain.landmarks import Detection
from app.domain.region import Region

HALF_WIDTH = 0.95
HALF_HEIGHT = 1.25
RAISED = 0.3
"""The ellipse around a head, in sides of the face's box (brow to chin): hair that stands off, ears, chin and beard.

Its middle is above that of the face. Measured on the heads of the test photos, which reach 0.25 aside, 0.78 above the
box and 0.14 below it, that is 0.75, 0.98 and 0.94 of the ellipse; the rest is for the box, which varies by a tenth.
"""

_SLANTED = 0.13


def head_of(face: Detection, width: int, height: int) -> Region:
    """Return a rectangle around the head of a face in a picture of this size; it may stand out of the picture.

    The upright ellipse in it holds the whole head too.
    `face` has a box that is a square in pixels, and the eyes as its first two points: they tell how it is turned.
    """
    box, (right, left) = face["box"], face["landmarks"][:2]
    angle = math.atan2((left["y"] - right["y"]) * height, (left["x"] - right["x"]) * width)
    side = box["width"] * width
    cos, sin = math.cos(angle), math.sin(angle)
    x = (box["x"] + box["width"] / 2) * width + sin * RAISED * side
    y = (box["y"] + box["height"] / 2) * height - cos * RAISED * side
    # Of a turned ellipse the corners of an upright one in the same rectangle cut off a ninth, most at 45 degrees.
    side *= 1 + _SLANTED * abs(2 * sin * cos)
    across = math.hypot(HALF_WIDTH * cos, HALF_HEIGHT * sin) * side
    down = math.hypot(HALF_WIDTH * sin, HALF_HEIGHT * cos) * side
    return Region((x - across) / width, (y - down) / height, 2 * across / width, 2 * down / height)
