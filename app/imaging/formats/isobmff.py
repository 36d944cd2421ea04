"""AVIF and HEIC: the primary item of an ISO base media file."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from app.domain.frame import ImageFormat, ImageHeader
from app.errors import InvalidMedia, UnsupportedMedia

_MAX_BOXES = 64
_MAX_PROPERTIES = 512
_MAX_ITEMS = 2048  # libheif stops at 1000 items, an iPhone photo has about 50 (its tiles)

_AVIF = frozenset((b"avif", b"avis"))
_HEIC = frozenset((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"))
_NEUTRAL = frozenset((b"mif1", b"msf1"))
_SEQUENCES = frozenset((b"avis", b"hevc", b"hevx", b"hevm", b"hevs", b"msf1"))
_ALPHA = (b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha", b"urn:mpeg:hevc:2015:auxid:1")

# (quarter turns anticlockwise, mirror axis or None) to EXIF orientation; the turn comes first (MIAF, ISO/IEC 23000-22,
# 7.3.6.7). Axis 0 swaps top and bottom, 1 left and right (ISO/IEC 23008-12, 6.5.12).
_ORIENTATIONS = {
    (0, None): 1, (1, None): 8, (2, None): 3, (3, None): 6,
    (0, 0): 4, (1, 0): 5, (2, 0): 2, (3, 0): 7,
    (0, 1): 2, (1, 1): 7, (2, 1): 4, (3, 1): 5,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Box:
    kind: bytes
    start: int
    end: int


def _boxes(data: bytes | memoryview, start: int, end: int, at_most: int) -> Iterator[_Box]:
    """Yield the boxes between two offsets, cut off at the end of the data (ISO/IEC 14496-12, 4.2)."""
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
        yield _Box(kind, start + header, min(start + size, end))
        start += size


def read_isobmff(data: bytes | memoryview) -> ImageHeader:
    """Read size, depth and orientation of the primary item from its properties.

    Only `irot` and `imir` turn the picture: the EXIF orientation of these formats is for information only
    (ISO/IEC 23008-12, A.2.4). A HEIC's clean aperture (`clap`) counts, as libheif applies it; libavif does not.

    Raises:
        InvalidMedia: a box or property that is needed is missing or broken.
        UnsupportedMedia: neither AVIF nor HEIC (MP4, MOV, JPEG 2000 in HEIF...).
    """
    brands = _brands(data)
    if not brands & (_AVIF | _HEIC | _NEUTRAL):
        raise UnsupportedMedia("This is an ISO media file, but neither AVIF nor HEIC.")
    meta = next((box for box in _boxes(data, 0, len(data), _MAX_BOXES) if box.kind == b"meta"), None)
    if meta is None:
        raise InvalidMedia("The picture has no meta box.")
    children = {box.kind: box for box in _boxes(data, meta.start + 4, meta.end, _MAX_BOXES)}
    if not children.keys() >= {b"pitm", b"iprp"}:
        raise InvalidMedia("The picture has no primary item.")
    primary = _item_id(data, children[b"pitm"])
    properties, own = _properties(data, children[b"iprp"], primary)
    return _describe(data, _format(brands, properties), properties, own, bool(brands & _SEQUENCES))


def _brands(data: bytes | memoryview) -> set[bytes]:
    (size,) = struct.unpack_from(">I", data, 0)
    size = min(size, 8 + 4 * _MAX_BOXES, len(data))
    return {bytes(data[offset : offset + 4]) for offset in (8, *range(16, size, 4))}


def _format(brands: set[bytes], properties: list[_Box]) -> ImageFormat:
    kinds = {box.kind for box in properties}
    if brands & _AVIF or (not brands & _HEIC and b"av1C" in kinds):
        return ImageFormat.AVIF
    if brands & _HEIC or b"hvcC" in kinds:
        return ImageFormat.HEIC
    raise UnsupportedMedia("The picture's codec is neither AV1 nor HEVC.")


def _item_id(data: bytes | memoryview, pitm: _Box) -> int:
    wide = data[pitm.start] > 0
    (item,) = struct.unpack_from(">I" if wide else ">H", data, pitm.start + 4)
    return int(item)


def _properties(data: bytes | memoryview, iprp: _Box, item: int) -> tuple[list[_Box], list[_Box]]:
    """Return all properties, and those of one item in their order."""
    properties: list[_Box] = []
    indexes: list[int] = []
    for box in _boxes(data, iprp.start, iprp.end, _MAX_BOXES):
        if box.kind == b"ipco" and not properties:
            properties = list(_boxes(data, box.start, box.end, _MAX_PROPERTIES))
        elif box.kind == b"ipma" and not indexes:
            indexes = _associations(data, box, item)
    return properties, [properties[index - 1] for index in indexes if 0 < index <= len(properties)]


def _associations(data: bytes | memoryview, ipma: _Box, item: int) -> list[int]:
    wide_id, wide_index = data[ipma.start] > 0, data[ipma.start + 3] & 1
    entry = struct.Struct(">IB" if wide_id else ">HB")
    (count,) = struct.unpack_from(">I", data, ipma.start + 4)
    position = ipma.start + 8
    for _ in range(min(count, _MAX_ITEMS)):
        found, length = entry.unpack_from(data, position)
        position += entry.size
        if found == item:
            indexes = struct.unpack_from(f">{length}{'H' if wide_index else 'B'}", data, position)
            return [index & (0x7FFF if wide_index else 0x7F) for index in indexes]
        position += length << wide_index
    return []


def _describe(
    data: bytes | memoryview, picture: ImageFormat, properties: list[_Box], own: list[_Box], animated: bool
) -> ImageHeader:
    size: tuple[int, int] | None = None
    turns, axis = 0, None
    for box in own:
        if box.kind == b"ispe":
            size = struct.unpack_from(">II", data, box.start + 4)
        elif box.kind == b"clap" and size and picture is ImageFormat.HEIC:
            size = _clean_aperture(data, box, size)
        elif box.kind == b"irot":
            turns = data[box.start] & 3
        elif box.kind == b"imir":
            axis = data[box.start] & 1
    if size is None:
        raise InvalidMedia("The picture does not tell its size.")
    # A grid's own properties hold no codec configuration: its tiles' is the first one in the file.
    config = next((box for box in (*own, *properties) if box.kind in (b"av1C", b"hvcC")), None)
    samples, bits = _sampling(data, config) if config else (3.0, 8)
    alpha = any(box.kind == b"auxC" and bytes(data[box.start + 4 : box.end]).startswith(_ALPHA) for box in properties)
    return ImageHeader(
        format=picture,
        width=size[0],
        height=size[1],
        channels=(1 if samples == 1 else 3) + alpha,
        bits=bits,
        animated=animated,
        orientation=_ORIENTATIONS[turns, axis],
        samples=samples,
    )


def _clean_aperture(data: bytes | memoryview, clap: _Box, size: tuple[int, int]) -> tuple[int, int]:
    width, width_parts, height, height_parts = struct.unpack_from(">IIII", data, clap.start)
    if not width_parts or not height_parts:
        raise InvalidMedia("The clean aperture of the picture is broken.")
    return min(size[0], width // width_parts), min(size[1], height // height_parts)


def _sampling(data: bytes | memoryview, config: _Box) -> tuple[float, int]:
    """Return (samples stored for a pixel, bits) from av1C (AV1-ISOBMFF, 2.3) or hvcC (ISO/IEC 14496-15, 8.3.2)."""
    if config.kind == b"av1C":
        flags = data[config.start + 2]
        bits = 8 if not flags & 0x40 else 12 if flags & 0x20 else 10
        if flags & 0x10:
            return 1.0, bits
        return 1 + 2 / (1 << (flags >> 3 & 1) << (flags >> 2 & 1)), bits
    return (1.0, 1.5, 2.0, 3.0)[data[config.start + 16] & 3], 8 + (data[config.start + 17] & 7)
