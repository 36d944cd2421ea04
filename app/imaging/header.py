"""The header of a picture: format and dimensions from the first bytes, before anything is decoded.

Pure standard library, for it runs in the API process. Why it is not a package:
`docs/decisions/0002-own-picture-header-reader.md`.
"""

from __future__ import annotations

import re
import struct

from app.errors import InvalidMedia, UnsupportedMedia
from app.imaging.isobmff import BRANDS_BYTES, brands
from app.imaging.picture_format import PictureFormat, PictureHeader
from app.registry import discover

FORMATS = tuple(
    found()
    for found in discover("app.imaging.formats", PictureFormat).values()  # type: ignore[type-abstract]  # not these
)
"""One of each format that is accepted; no two have the same signature or brand."""

_BY_NAME = {one.name: one for one in FORMATS}
_BY_BRAND = {brand: one for one in FORMATS for brand in one.brands}
_SIGNATURES = re.compile(
    b"|".join(b"(?P<%s>%s)" % (one.name.encode(), one.signature) for one in FORMATS if one.signature), re.DOTALL
)


def sniff_picture(head: bytes) -> PictureFormat | None:
    """Return the format that a picture is of by its first `BRANDS_BYTES` bytes, if any."""
    match = _SIGNATURES.match(head)
    if match is not None and match.lastgroup is not None:
        return _BY_NAME[match.lastgroup]
    return next((_BY_BRAND[brand] for brand in brands(head) if brand in _BY_BRAND), None)


def read_header(data: bytes | bytearray | memoryview) -> PictureHeader:
    """Read what a picture says of itself, by its magic bytes and never by a name or a declared type.

    `data` is the whole picture or its beginning; 64 KiB are enough but for a JPEG or GIF with more metadata than that
    ahead of the first pixel (`InvalidMedia`: call again with more). With only the beginning, a WebP's orientation and
    frame count, stored behind the pixels, may be missing, and a JPEG whose first scan is not in sight counts as
    progressive: the more expensive case. The work is bounded whatever the bytes are: a few thousand steps,
    and for a progressive JPEG a search of all its bytes (`check_scans`).

    Raises:
        UnsupportedMedia: none of the formats, or a variant of one that is not decoded.
        InvalidMedia: the right magic bytes but a broken or truncated header, or no pixels.
    """
    view = data if isinstance(data, bytes) else memoryview(data).cast("B")
    try:
        header = _format(view).read_header(view)
    except (IndexError, struct.error):
        raise InvalidMedia("The picture ends inside its header.") from None
    if header.width < 1 or header.height < 1:
        raise InvalidMedia("The picture has no pixels.")
    return header


def _format(data: bytes | memoryview) -> PictureFormat:
    sniffed = sniff_picture(bytes(data[:BRANDS_BYTES]))
    found = sniffed or next((candidate for candidate in FORMATS if candidate.holds(data)), None)
    if found is None:
        names = ", ".join(one.name.upper() for one in FORMATS)
        raise UnsupportedMedia(f"Send a picture in one of these formats: {names}.")
    return found
