"""What a front end wants to know of a picture besides what its header says. Child side: imports Pillow."""

from __future__ import annotations

import base64
import io
import json
import math
from typing import Any

from PIL import (  # the last is what Pillow reads EXIF with, too late for a child that can open no file
    ExifTags,
    Image,
    ImageCms,
    TiffImagePlugin,  # noqa: F401
)

from app.imaging.colour import MAX_PROFILE_BYTES
from app.imaging.thumbhash import thumbhash

_MAX_BYTES = 32 << 10
"""The longest answer; EXIF that takes more is left out."""

LOCATION = "GPSInfo"
_OPAQUE = 128

_MAX_TEXT, _MAX_NUMBERS, _MAX_TAGS = 256, 16, 128
_LOCATION = 0x8825
_FOLDERS = {0x8769: "", _LOCATION: LOCATION}
"""The directories of EXIF beside the first (EXIF 2.32, section 4.6.3)."""

_LAYOUT = {*range(0xFE, 0x10B), 0x111, *range(0x115, 0x11A), 0x11C, 0x13D, *range(0x140, 0x146), 0x152, 0x153}
_SKIPPED = {0x8769, _LOCATION, 0xA005, 0x927C, 0x0201, 0x0202, *_LAYOUT}
"""Pointers to directories, the maker's own notes, where the thumbnail is, and how a TIFF holds its pixels."""


def examined(image: Image.Image, exif: bytes, profile: bytes | None, survey: tuple[int, bool]) -> bytes:
    """Return, as JSON, what there is to tell of a picture that was reduced to at most 100 pixels a side.

    Members: `frames` and `hasAlpha` (`PictureFormat.survey`), `dominantColor`, `thumbHash`, `profile` (the name of its
    colour profile, or null), and `exif`: names and values, in the words of EXIF 2.32, those of the place below
    `GPSInfo`; null where it has none.
    """
    pixels = image.convert("RGBA")
    data = pixels.tobytes()
    frames, has_alpha = survey
    members = {
        "frames": frames,
        "hasAlpha": has_alpha,
        "dominantColor": dominant_color(data),
        "thumbHash": base64.b64encode(thumbhash(data, pixels.width)).decode(),
        "profile": _profile_name(profile),
        "exif": read_exif(exif),
    }
    text = json.dumps(members, separators=(",", ":")).encode()
    if len(text) > _MAX_BYTES:
        text = json.dumps({**members, "exif": None}, separators=(",", ":")).encode()
    return text


def dominant_color(rgba: bytes) -> str:
    """Return `#rrggbb`: the mean of the fullest of 512 equal cubes of colour; transparent pixels do not count.

    `rgba` has 4 bytes a pixel.
    """
    cubes: dict[int, list[int]] = {}
    for red, green, blue, alpha in zip(rgba[::4], rgba[1::4], rgba[2::4], rgba[3::4], strict=True):
        if alpha >= _OPAQUE:
            sums = cubes.setdefault(red >> 5 << 6 | green >> 5 << 3 | blue >> 5, [0, 0, 0, 0])
            sums[0] += 1
            sums[1] += red
            sums[2] += green
            sums[3] += blue
    if not cubes:
        return "#000000"
    count, *fullest = max(cubes.values())
    return "#" + "".join(f"{round(one / count):02x}" for one in fullest)


def read_exif(data: bytes) -> dict[str, Any] | None:
    """Return the tags that have a name and a plain value; None where there is no EXIF, or a broken one."""
    if not data:
        return None
    try:
        exif = Image.Exif()
        exif.load(data)
        found = _plain(exif, ExifTags.TAGS)
        for folder, name in _FOLDERS.items():
            tags = _plain(exif.get_ifd(folder), ExifTags.GPSTAGS if folder == _LOCATION else ExifTags.TAGS)
            if tags:
                found.update({name: tags} if name else tags)
    except Exception:
        return None
    return found or None


def _plain(tags: Any, names: dict[int, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for tag, value in list(tags.items())[:_MAX_TAGS]:
        plain = _value(value)
        if tag in names and tag not in _SKIPPED and plain is not None:
            found[names[tag]] = plain
    return found


def _value(value: Any) -> Any:
    if isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return value.replace("\0", "").strip()[:_MAX_TEXT] or None
    if isinstance(value, tuple):
        numbers = [_value(one) for one in value[:_MAX_NUMBERS]]
        return numbers if all(isinstance(one, int | float) for one in numbers) else None
    if isinstance(value, bytes):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return round(number, 8) if math.isfinite(number) else None


def _profile_name(profile: bytes | None) -> str | None:
    if not profile or len(profile) > MAX_PROFILE_BYTES:
        return None
    try:
        opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    except (OSError, ImageCms.PyCMSError):
        return None
    return (opened.profile.profile_description or "").strip()[:_MAX_TEXT] or None
