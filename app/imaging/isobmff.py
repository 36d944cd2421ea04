"""Boxes of an ISO base media file (ISO/IEC 14496-12): MP4, QuickTime and HEIF are made of them."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from app.errors import InvalidMedia

MAX_BOXES = 64

BRANDS_BYTES = 8 + 4 * 64
"""As many of the first bytes as are looked at for brands."""


@dataclass(frozen=True, slots=True)
class Box:
    """A box whose payload lies between two offsets."""

    kind: bytes
    start: int
    end: int


def boxes(data: bytes | memoryview, start: int, end: int, at_most: int = MAX_BOXES) -> Iterator[Box]:
    """Yield the boxes between two offsets, cut off at the end of the data (4.2).

    Raises:
        InvalidMedia: a box is shorter than its own header.
    """
    end = min(end, len(data))
    for _ in range(at_most):
        if start + 8 > end:
            return
        size, kind = struct.unpack_from(">I4s", data, start)
        header = 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, start + 8)
            header = 16
        elif size == 0:
            size = end - start
        if size < header:
            raise InvalidMedia("A box of the picture has a wrong size.")
        yield Box(kind, start + header, min(start + size, end))
        start += size


def brands(head: bytes | memoryview) -> list[bytes]:
    """Return the major and the compatible brands of a file that begins with `ftyp` (4.3); nothing of another one."""
    if head[4:8] != b"ftyp":
        return []
    head = bytes(head[:BRANDS_BYTES])
    end = min(len(head), int.from_bytes(head[:4], "big"))
    return [head[8:12], *(head[at : at + 4] for at in range(16, end - 3, 4))]
