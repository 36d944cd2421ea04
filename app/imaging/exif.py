"""What is read of EXIF: the orientation, before anything is decoded, and texts such as whose a picture is."""

from __future__ import annotations

import struct

_ORIENTATION_TAG = 0x0112
ARTIST, COPYRIGHT = 0x013B, 0x8298
_ASCII, _SHORT = 2, 3
_MAX_TEXT_BYTES = 1024
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


def read_texts(tiff: bytes | memoryview, tags: tuple[int, ...]) -> dict[int, str]:
    """Return the texts that the first directory of an EXIF block gives for these tags; broken ones are left out.

    Bounds, layout and source are those of `read_orientation`; a text may have `_MAX_TEXT_BYTES`.
    """
    if tiff[:6] == b"Exif\0\0":
        tiff = tiff[6:]
    order = {b"II": "<", b"MM": ">"}.get(bytes(tiff[:2]))
    if order is None or len(tiff) < 10:
        return {}
    magic, offset = struct.unpack_from(f"{order}HI", tiff, 2)
    if magic != 42 or offset + 2 > len(tiff):
        return {}
    entry = struct.Struct(f"{order}HHI4s")
    (count,) = struct.unpack_from(f"{order}H", tiff, offset)
    start = offset + 2
    count = min(count, _MAX_ENTRIES, (len(tiff) - start) // entry.size)
    found = {}
    for tag, kind, length, value in entry.iter_unpack(tiff[start : start + count * entry.size]):
        if tag in tags and kind == _ASCII and 0 < length <= _MAX_TEXT_BYTES:
            (at,) = struct.unpack(f"{order}I", value)
            raw = value[:length] if length <= len(value) else bytes(tiff[at : at + length])
            found[tag] = raw.partition(b"\0")[0].decode("utf-8", "replace").strip()
    return {tag: text for tag, text in found.items() if text}
