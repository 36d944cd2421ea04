"""Pictures into RGB arrays, straight to the size at which they are analysed. Child side: imports Pillow and numpy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from app.domain.analysis_size import AnalysisSize
from app.imaging.cost import BAND_PIXELS, REDUCING_GAP, check_pixels, draft_scale, reduction
from app.imaging.header import read_header
from app.imaging.opened import decoder_errors, open_image

RgbArray = NDArray[np.uint8]
Resampling = Image.Resampling
Box = tuple[float, float, float, float]

FOR_MODELS, FOR_EYES = Resampling.NEAREST, Resampling.BILINEAR
"""What a picture is reduced with for those who look at it (`decode_picture`)."""

_WHITE = (255, 255, 255)
_HALF = 2
_PLAIN_MODES = frozenset(("RGB", "RGBX", "L", "CMYK", "YCbCr"))

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True, slots=True)
class DecodedPicture:
    """A picture ready for a model: `rgb` is C-contiguous uint8 (H, W, 3), upright, read-only.

    `width` and `height` are those of the original picture, upright.
    """

    rgb: RgbArray
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class UprightImage:
    """A decoded picture in Pillow's memory, mode RGB, upright; `width` and `height` are those of the original."""

    image: Image.Image
    width: int
    height: int


def decode_picture(
    data: bytes | bytearray | memoryview,
    box: AnalysisSize,
    max_pixels: int,
    resample: Resampling = FOR_MODELS,
) -> DecodedPicture:
    """Decode the first frame of a picture and fit it into `box`, upright, never enlarged.

    A baseline JPEG is decoded at the smallest of the scales 1/1 to 1/8 that still covers the target (`Image.draft`);
    the rest is `Image.resize`: with `resample` below a half, else with BILINEAR and reducing_gap 1.5, half the CPU time
    of `Image.thumbnail` for 5 dB of PSNR. NEAREST is enough for a model, which samples its own small input from what it
    gets: over the test photos and both test videos as many hands are found and landmarks move as little as with
    BILINEAR, for 2 ms less per picture. An eye sees the difference. What is transparent is laid over white, as a page
    in a browser shows it: the colours stored under transparent pixels are arbitrary, and black would swallow dark hair.

    Raises:
        UnsupportedMedia, InvalidMedia: see `read_header`; also a truncated or corrupt body (of a PNG: `VerifiedPng`).
        TooManyPixels: see `check_pixels`.
        MemoryError: the process is not given the memory.
    """
    upright = decode_image(data, box, max_pixels, resample)
    with decoder_errors():
        rgb = np.asarray(upright.image)
    assert rgb.dtype == np.uint8
    assert rgb.shape == (*upright.image.size[::-1], 3)
    assert rgb.flags.c_contiguous
    return DecodedPicture(rgb, upright.width, upright.height)


def decode_image(
    data: bytes | bytearray | memoryview, box: AnalysisSize, max_pixels: int, resample: Resampling
) -> UprightImage:
    """Do what `decode_picture` does, but leave the result where Pillow has it: 4 bytes a pixel instead of 14.

    Raises:
        BallastError, MemoryError: see `decode_picture`.
    """
    header = read_header(data)
    target = box.fit(*header.upright)
    check_pixels(header, target, max_pixels)
    orientation = 1 if header.format.decodes_upright else header.orientation
    stored = target[::-1] if orientation >= 5 else target
    with decoder_errors():
        opened = open_image(data, header)
        scale = draft_scale(header, target)
        drafted = opened.draft("RGB", (opened.width // scale, opened.height // scale)) if scale > 1 else None
        opened.load()
        image = to_rgb(opened, stored, resample, drafted[1] if drafted else None)
        del opened
        upright = image.transpose(_TURNS[orientation]) if orientation in _TURNS else image
    return UprightImage(upright, *header.upright)


def to_rgb(image: Image.Image, size: tuple[int, int], resample: Resampling, box: Box | None = None) -> Image.Image:
    """Reduce a decoded picture of any mode to an opaque RGB one of this size, by less than a half with `resample`.

    `box` is the part that shows the picture, as `draft` returns it: at a scale of 1/8 the last column stands for 1 to 8
    pixels, and without the box all landmarks would be off by up to 7 of them.
    """
    if image.mode in _PLAIN_MODES and "transparency" not in image.info:
        if image.size != size or (box is not None and box != (0, 0, *size)):
            image = image.resize(size, _filter(image, size, resample), box, REDUCING_GAP)
        return image if image.mode == "RGB" else image.convert("RGB")
    image = _reduce_in_bands(image, size, resample)
    if image.mode == "RGBA":
        opaque = Image.new("RGB", image.size, _WHITE)
        opaque.paste(image, mask=image)
        return opaque
    return image if image.mode == "RGB" else image.convert("RGB")


def _filter(image: Image.Image, size: tuple[int, int], resample: Resampling) -> Resampling:
    """Return what to reduce `image` to `size` with: to a half and less everything must count."""
    halved = max(image.width / size[0], image.height / size[1]) >= _HALF
    return Resampling.BILINEAR if halved else resample


def _reduce_in_bands(image: Image.Image, size: tuple[int, int], resample: Resampling) -> Image.Image:
    """Do what `resize` with a reducing gap does, but convert the mode band by band.

    Palettes, 16-bit grey and transparency cannot be averaged as they are stored; converting the whole picture first
    would cost 4 to 12 further bytes for each of its pixels.
    """
    factors, reduced_size = reduction(image.size, size)
    rows = max(1, BAND_PIXELS // image.width // factors[1]) * factors[1]
    reduced: Image.Image | None = None
    for top in range(0, image.height, rows):
        band = _averageable(image.crop((0, top, image.width, min(image.height, top + rows)))).reduce(factors)
        if reduced is None:
            reduced = Image.new(band.mode, reduced_size)
        reduced.paste(band, (0, top // factors[1]))
    assert reduced is not None
    box = (0.0, 0.0, image.width / factors[0], image.height / factors[1])
    return reduced if reduced.size == size else reduced.resize(size, _filter(reduced, size, resample), box)


def _averageable(band: Image.Image) -> Image.Image:
    if band.mode.startswith("I;16"):
        # `convert("L")` alone clips at 255. Pillow accepts only a linear expression for this mode.
        return band.convert("I").point(lambda value: value * (1 / 257) + 0).convert("L")
    if band.has_transparency_data:
        return band.convert("RGBA")
    return band.convert("L" if band.mode == "1" else "RGB")
