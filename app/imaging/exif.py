"""The one EXIF tag that matters before decoding: the orientation."""

from __future__ import annotations

import struct

_ORIENTATION_TAG = 0x0112
_SHORT = 3
_MAX_ENTRIES = 256

_ENTRIES = {b"II": (struct.Struct("<HHI H2x"), "<HI"), b"MM": (struct.Struct(">HHI H2x"), ">HI")}


def read_orientation(tiff: bytes | memoryview) -> int:
    """Return the orientation (1..8) that the first directory of an EXIF block gives; 1 if it gives none or is broken.

    `tiff` starts at the byte order mark; a leading `Exif\\0\\0`, which some writers add in WebP and PNG, is skipped.
    Only EXIF counts, not XMP: this is what browsers do. At most 256 entries are looked at.
    Source: TIFF 6.0 section 2; EXIF 2.32 section 4.6.4.
    """
    if tiff[:6] == b"Exif\0\0":
        tiff = tiff[6:]
    entry, header = _ENTRIES.get(bytes(tiff[:2]), (None, ""))
    if entry is None or len(tiff) < 10:
        return 1
    magic, offset = struct.unpack_from(header, tiff, 2)
    if magic != 42 or offset + 2 > len(tiff):
        return 1
    (count,) = struct.unpack_from(header[:2], tiff, offset)
    start = offset + 2
    count = min(count, _MAX_ENTRIES, (len(tiff) - start) // entry.size)
    for tag, kind, _, value in entry.iter_unpack(tiff[start : start + count * entry.size]):
        if tag == _ORIENTATION_TAG:
            return value if kind == _SHORT and 1 <= value <= 8 else 1
    return 1
