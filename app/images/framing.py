"""From a picture's header to what is decoded of it. Numbers only: the API process plans by it, the child follows it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from app.domain.region import Region
from app.errors import InvalidParameter
from app.images.operation import Framing
from app.images.placement import Placement, Size, whole_pixels
from app.images.transform import Transform
from app.imaging.picture_format import PictureHeader

MAX_SIDE = 8192
MAX_RESULT_PIXELS = 50_000_000
"""The largest answer, in pixels. A larger picture is made smaller where no size is asked for."""


_GAP = 2.0
"""What an averaging decoder leaves to a good filter: that of `resample`, where Pillow averages."""


def placed(transform: Transform, size: Size, faces: Sequence[Region] = ()) -> Placement:
    """Return what a transform shows of an upright picture of this size; `faces` are regions of it.

    Raises:
        InvalidParameter: it cannot be done with such a picture, or the answer would be too large.
    """
    placement = Placement.of(size)
    for step in transform.steps:
        if issubclass(step.operation, Framing):
            placement = step.operation.frame(step.params, placement, faces)
    width, height = placement.canvas
    if transform.params("resize") is None:
        placement = placement.sized(_capped(placement.size))
    elif width * height > MAX_RESULT_PIXELS or max(width, height) > MAX_SIDE:
        raise InvalidParameter(
            f"width, height: an answer of {width}x{height} is larger than {MAX_SIDE} pixels a side, or "
            f"{MAX_RESULT_PIXELS} in all."
        )
    return placement


def _capped(size: Size) -> Size:
    """Return a size that an answer may have: this one, or the largest of its ratio."""
    scale = min(1.0, MAX_SIDE / max(size), math.sqrt(MAX_RESULT_PIXELS / (size[0] * size[1])))
    return size if scale == 1 else (max(1, int(size[0] * scale)), max(1, int(size[1] * scale)))


def decode_scale(header: PictureHeader, placement: Placement, coarse: bool = False) -> int:
    """Return the divisor at which a picture is decoded to cover the view; 1 where its codec has no scales.

    `coarse` takes half the pixels a side that the view has: softer, for a quarter of the memory.
    """
    target = placement.covering
    ratio = min(header.upright[0] / target[0], header.upright[1] / target[1]) * (2 if coarse else 1)
    if header.format.averages:
        ratio /= _GAP
    ratio += 1e-6  # what is a whole number but for rounding counts as one
    return next((scale for scale in header.format.scales_of(header) if ratio >= scale), 1)


def scaled_size(header: PictureHeader, scale: int) -> Size:
    """Return the stored size of a picture that is decoded at 1/`scale`."""
    return -(-header.width // scale), -(-header.height // scale)


def watermark_size(upright: Size, share: float, canvas: Size) -> Size:
    """Return how large a watermark becomes: so much of the canvas' width, and no higher than the canvas."""
    scale = min(share * canvas[0] / upright[0], canvas[1] / upright[1])
    return whole_pixels((upright[0] * scale, upright[1] * scale))
