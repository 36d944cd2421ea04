"""The header of a picture: type and dimensions from the first bytes, before anything is decoded.

Pure standard library, for it runs in the API process. Why it is not a package:
`docs/decisions/0002-own-picture-header-reader.md`.
"""

from __future__ import annotations

import struct

from app.domain.frame import ImageHeader
from app.errors import InvalidMedia, UnsupportedMedia
from app.imaging.formats.gif import read_gif
from app.imaging.formats.isobmff import read_isobmff
from app.imaging.formats.jpeg import read_jpeg
from app.imaging.formats.png import SIGNATURE, read_png
from app.imaging.formats.webp import read_webp


def read_header(data: bytes | bytearray | memoryview) -> ImageHeader:
    """Read what a picture says of itself, by its magic bytes and never by a name or a declared type.

    `data` is the whole picture or its beginning; 64 KiB are enough but for a JPEG or GIF with more metadata than that
    ahead of the first pixel (`InvalidMedia`: call again with more). With only the beginning, a WebP's orientation and
    frame count, stored behind the pixels, may be missing, and a JPEG whose first scan is not in sight counts as
    progressive: the dearer case. The work is bounded whatever the bytes are (some thousand steps).

    Raises:
        UnsupportedMedia: none of JPEG, PNG, WebP, GIF, AVIF, HEIC, or a variant of them that is not decoded.
        InvalidMedia: the right magic bytes but a broken or truncated header, or no pixels.
    """
    view = memoryview(data).cast("B") if not isinstance(data, bytes) else data
    try:
        header = _read(view)
    except (IndexError, struct.error):
        raise InvalidMedia("The picture ends inside its header.") from None
    if header.width < 1 or header.height < 1:
        raise InvalidMedia("The picture has no pixels.")
    return header


def _read(data: bytes | memoryview) -> ImageHeader:
    magic = bytes(data[:12])
    if magic[:3] == b"\xff\xd8\xff":
        return read_jpeg(data)
    if magic[:8] == SIGNATURE:
        return read_png(data)
    if magic[:4] == b"RIFF" and magic[8:] == b"WEBP":
        return read_webp(data)
    if magic[:6] in (b"GIF87a", b"GIF89a"):
        return read_gif(data)
    if magic[4:8] == b"ftyp":
        return read_isobmff(data)
    raise UnsupportedMedia("Send a JPEG, PNG, WebP, GIF, AVIF or HEIC picture.")
