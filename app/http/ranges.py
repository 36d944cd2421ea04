"""The Range header (RFC 9110, section 14)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from app.errors import RangeNotSatisfiable

MAX_HEADER_CHARACTERS = 256
MAX_RANGES = 8

# An offset with more digits than this is past the end of anything, and not worth converting.
_RANGE = re.compile(r"(\d{0,19})-(\d{0,19})")


@dataclass(frozen=True, slots=True)
class ByteRange:
    """`length` bytes from `offset` of a content of `size_bytes`."""

    offset: int
    length: int
    size_bytes: int

    @property
    def content_range(self) -> str:
        return f"bytes {self.offset}-{self.offset + self.length - 1}/{self.size_bytes}"


def parse_range(header: str | None, size_bytes: int) -> ByteRange | None:
    """Return the one range that is asked for, or None where the whole content is to be answered.

    Another unit, several ranges, and a range that does not follow the grammar are ignored, as the RFC allows.

    Raises:
        RangeNotSatisfiable: the range begins past the end, or the header is an attack (very long, or many ranges).
    """
    if header is None:
        return None
    if len(header) > MAX_HEADER_CHARACTERS or header.count(",") >= MAX_RANGES:
        raise RangeNotSatisfiable("Ask for one range at a time.", sizeBytes=size_bytes)
    unit, _, ranges = header.partition("=")
    match = _RANGE.fullmatch(ranges.strip())
    if unit.strip().lower() != "bytes" or match is None or match[0] == "-":
        return None
    return _resolve(match[1], match[2], size_bytes)


def _resolve(first: str, last: str, size_bytes: int) -> ByteRange | None:
    if not first:  # the last N bytes
        length = min(int(last), size_bytes)
        if length == 0:
            raise RangeNotSatisfiable("The range is empty.", sizeBytes=size_bytes)
        return ByteRange(size_bytes - length, length, size_bytes)
    offset = int(first)
    if last and int(last) < offset:
        return None
    if offset >= size_bytes:
        raise RangeNotSatisfiable("The range begins past the end.", sizeBytes=size_bytes)
    end = min(int(last) + 1, size_bytes) if last else size_bytes
    return ByteRange(offset, end - offset, size_bytes)
