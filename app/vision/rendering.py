"""Pictures and masks as answers. Child side: draws what was found, and encodes it."""

from __future__ import annotations

from app.imaging.decode import RgbArray
from app.imaging.draw import draw_sketches, fit_mask
from app.imaging.encode import encode_jpeg, encode_png
from app.vision.output import Output, Rendering
from app.vision.task import Found, VisionTask

_LEAST_QUALITY = 60
_MORE_QUALITY = 25
"""JPEG quality is 60 at no effort and 85 at the usual one: half the bytes."""


def render_mask(found: Found, size: tuple[int, int], rendering: Rendering) -> bytes:
    """Return the mask as an 8-bit grey PNG of this width and height."""
    assert rendering.output is Output.MASK
    assert found.mask is not None, "only tasks with a mask are asked for it"
    return encode_png(fit_mask(found.mask, size), rendering.effort)


def render_picture(task: type[VisionTask], found: Found, rgb: RgbArray, rendering: Rendering) -> bytes:
    """Return the picture, uint8 (H, W, 3), with what was found on it, as a JPEG of the same size."""
    drawn = draw_sketches(rgb, task.sketches(found.detections), found.mask)
    return encode_jpeg(drawn, round(_LEAST_QUALITY + _MORE_QUALITY * rendering.effort))
