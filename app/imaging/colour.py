"""Colours into sRGB by the profile that a picture brings (ICC.1, littleCMS). Child side: imports Pillow."""

from __future__ import annotations

import io
from functools import cache
from typing import Any

from PIL import Image, ImageCms

MAX_PROFILE_BYTES = 4 << 20
"""A longer profile is not looked at: those of printing presses have up to 3 MB."""

_SPACES = {"RGB": "RGB", "RGBA": "RGB", "L": "GRAY", "CMYK": "CMYK"}
_INTENT = ImageCms.Intent.RELATIVE_COLORIMETRIC
_FLAGS = ImageCms.Flags.BLACKPOINTCOMPENSATION


def to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Return a picture of mode L, RGB, RGBA or CMYK as sRGB in mode L, RGB or RGBA; alpha is kept. It may be changed.

    Out of gamut colours are clipped relative to white, black is compensated. Without a profile, or with one that is
    broken, says sRGB, or is of another colour space, RGB and grey are taken for sRGB, and CMYK is its plain complement.
    """
    source = _read(profile, _SPACES[image.mode])
    if source is None:
        return image.convert("RGB") if image.mode == "CMYK" else image
    target = image.mode if image.mode == "RGBA" else "RGB"
    in_place = target == image.mode
    try:
        transform = ImageCms.buildTransform(source, _srgb(), image.mode, target, _INTENT, _FLAGS)
        converted = ImageCms.applyTransform(image, transform, in_place) or image
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image.convert("RGB") if image.mode == "CMYK" else image
    return converted.convert("L") if image.mode == "L" else converted


def _read(profile: bytes | None, space: str) -> ImageCms.ImageCmsProfile | None:
    if not profile or len(profile) > MAX_PROFILE_BYTES or profile[16:20].strip() != space.encode():
        return None
    try:
        opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    except (OSError, ImageCms.PyCMSError):
        return None
    name = opened.profile.profile_description or ""
    return None if name.startswith("sRGB") else opened


@cache
def _srgb() -> Any:
    return ImageCms.createProfile("sRGB")
