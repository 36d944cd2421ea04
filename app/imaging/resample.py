"""A part of a decoded picture of any mode, in the size that is wanted, for eyes. Child side: imports Pillow.

Resampling is done on the values as they are stored, gamma-encoded, as browsers, sharp, thumbor and imgproxy do it;
colours with alpha are premultiplied meanwhile (Pillow does it for RGBA), so that nothing dark bleeds in from what is
transparent.
"""

from __future__ import annotations

import math

from PIL import Image, ImageFile

from app.imaging.reduction import BAND_PIXELS, REDUCING_GAP, whole_factors

Box = tuple[float, float, float, float]
Size = tuple[int, int]

SHARPEST, AFTER_SCALE = Image.Resampling.LANCZOS, Image.Resampling.BICUBIC
"""What a picture is resized with, and one that was decoded at a scale: for that the sharper one costs a third more, and
SSIM against Lanczos of the whole picture is 0.996 instead of 0.998 (0.986 and 0.991 at worst, over the test photos)."""

_PLAIN_MODES = frozenset(("RGB", "RGBX", "L", "CMYK"))


def load_scaled(opened: ImageFile.ImageFile, scale: int) -> None:
    """Decode a picture, at 1/`scale` of its size where that is one of the scales of its format."""
    if scale > 1:
        opened.draft(None, (opened.width // scale, opened.height // scale))
    opened.load()


def resample(image: Image.Image, size: Size, box: Box, kernel: Image.Resampling = SHARPEST) -> Image.Image:
    """Return the part `box` of a loaded picture in this size: mode L, RGB, RGBA or CMYK, 8 bits a channel."""
    if image.mode in _PLAIN_MODES and "transparency" not in image.info:
        if box != (0, 0, *image.size) or image.size != size:
            image = _resized(image, size, box, kernel)
        return image.convert("RGB") if image.mode == "RGBX" else image
    return _in_bands(image, size, box)


def _resized(image: Image.Image, size: Size, box: Box, kernel: Image.Resampling = SHARPEST) -> Image.Image:
    whole = (round(box[0]), round(box[1]), round(box[2]), round(box[3]))
    if whole == box and (whole[2] - whole[0], whole[3] - whole[1]) == size:
        return image if whole == (0, 0, *image.size) else image.crop(whole)
    return image.resize(size, kernel, box, REDUCING_GAP)


def _in_bands(image: Image.Image, size: Size, box: Box) -> Image.Image:
    """Do what `resize` with a reducing gap does, but convert the mode band by band.

    Palettes, 16-bit grey and transparency cannot be averaged as they are stored; converting the whole picture first
    would cost 4 to 12 further bytes for each of its pixels.
    """
    factors = whole_factors((box[2] - box[0], box[3] - box[1]), size)
    left, top = max(0, math.floor(box[0]) - 3 * factors[0]), max(0, math.floor(box[1]) - 3 * factors[1])
    right = min(image.width, math.ceil(box[2]) + 3 * factors[0])
    bottom = min(image.height, math.ceil(box[3]) + 3 * factors[1])
    rows = max(1, BAND_PIXELS // (right - left) // factors[1]) * factors[1]
    reduced: Image.Image | None = None
    for start in range(top, bottom, rows):
        band = averageable(image.crop((left, start, right, min(bottom, start + rows)))).reduce(factors)
        if reduced is None:
            reduced = Image.new(band.mode, (-(-(right - left) // factors[0]), -(-(bottom - top) // factors[1])))
        reduced.paste(band, (0, (start - top) // factors[1]))
    assert reduced is not None
    inner = ((box[0] - left) / factors[0], (box[1] - top) / factors[1])
    outer = ((box[2] - left) / factors[0], (box[3] - top) / factors[1])
    return _resized(reduced, size, (*inner, min(outer[0], reduced.width), min(outer[1], reduced.height)))


def averageable(band: Image.Image) -> Image.Image:
    """Return it in mode L, RGB or RGBA."""
    if band.mode.startswith("I;16"):
        # `convert("L")` alone clips at 255. Pillow accepts only a linear expression for this mode.
        return band.convert("I").point(lambda value: value * (1 / 257) + 0).convert("L")
    if band.has_transparency_data:
        return band.convert("RGBA")
    return band.convert("L" if band.mode in ("1", "L") else "RGB")
