"""HEIF (ISO/IEC 23008-12): what AVIF and HEIC have in common, the primary item of an ISO base media file."""

from __future__ import annotations

import struct
from abc import abstractmethod
from typing import ClassVar

from app.errors import InvalidMedia
from app.imaging.isobmff import Box, boxes, brands
from app.imaging.picture_format import PictureFormat, PictureHeader

_MAX_PROPERTIES = 512
_MAX_ITEMS = 2048  # libheif stops at 1000 items, an iPhone photo has about 50 (its tiles)

_NEUTRAL = frozenset((b"mif1", b"msf1"))  # HEIF of some codec
_ALPHA = (b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha", b"urn:mpeg:hevc:2015:auxid:1")

# (quarter turns anticlockwise, mirror axis or None) to EXIF orientation; the turn comes first (MIAF, ISO/IEC 23000-22,
# 7.3.6.7). Axis 0 swaps top and bottom, 1 left and right (ISO/IEC 23008-12, 6.5.12).
_ORIENTATIONS = {
    (0, None): 1, (1, None): 8, (2, None): 3, (3, None): 6,
    (0, 0): 4, (1, 0): 5, (2, 0): 2, (3, 0): 7,
    (0, 1): 2, (1, 1): 7, (2, 1): 4, (3, 1): 5,
}  # fmt: skip


class HeifFormat(PictureFormat):
    """Pictures of one codec in HEIF."""

    sequence_brands: ClassVar[frozenset[bytes]]
    """The brands of files that hold an animation."""
    configuration: ClassVar[bytes]
    """The property in which the codec describes its stream."""
    plane_share: ClassVar[float]
    """How many times its planes the decoder holds at once."""
    applies_clean_aperture: ClassVar[bool] = False
    """Whether the decoder cuts the picture to its clean aperture (`clap`)."""

    @abstractmethod
    def sampling(self, data: bytes | memoryview, start: int) -> tuple[float, int]:
        """Return the samples stored for a pixel, and their bits, from the configuration at an offset."""

    def holds(self, data: bytes | memoryview) -> bool:
        """Files that are branded as HEIF only: what tells the codec is its configuration."""
        if _NEUTRAL.isdisjoint(brands(data)):
            return False
        every, _ = _properties(data)
        return any(box.kind == self.configuration for box in every)

    def read_header(self, data: bytes | memoryview) -> PictureHeader:
        """Read size, depth and orientation of the primary item from its properties.

        Only `irot` and `imir` turn the picture: the EXIF orientation of these formats is for information only
        (ISO/IEC 23008-12, A.2.4).
        """
        every, own = _properties(data)
        # A grid's own properties hold no configuration: its tiles' is the first one in the file.
        config = next((box for box in (*own, *every) if box.kind == self.configuration), None)
        samples, bits = self.sampling(data, config.start) if config else (3.0, 8)
        alpha = any(box.kind == b"auxC" and bytes(data[box.start + 4 : box.end]).startswith(_ALPHA) for box in every)
        width, height = self._size(data, own)
        return PictureHeader(
            format=self,
            width=width,
            height=height,
            channels=(1 if samples == 1 else 3) + alpha,
            bits=bits,
            animated=not self.sequence_brands.isdisjoint(brands(data)),
            orientation=_orientation(data, own),
            samples=samples,
        )

    def _size(self, data: bytes | memoryview, own: list[Box]) -> tuple[int, int]:
        size: tuple[int, int] | None = None
        for box in own:
            if box.kind == b"ispe":
                size = struct.unpack_from(">II", data, box.start + 4)
            elif box.kind == b"clap" and size and self.applies_clean_aperture:
                size = _clean_aperture(data, box, size)
        if size is None:
            raise InvalidMedia("The picture does not tell its size.")
        return size

    def buffer_bytes(self, _header: PictureHeader, encoded_bytes: int) -> int:
        return encoded_bytes

    def decoder_bytes(self, header: PictureHeader, pixels: int) -> tuple[int, int]:
        """The planes, the pixels interleaved from them, and Pillow's image; the interleaved ones go first."""
        image = pixels * self.pixel_bytes(header)
        alpha = header.channels in (2, 4)
        depth = 2 if header.bits > 8 else 1
        planes = int(self.plane_share * depth * (header.samples + alpha) * pixels)
        interleaved = pixels * (4 if alpha else header.channels)
        return planes + interleaved + image, planes + image


def _properties(data: bytes | memoryview) -> tuple[list[Box], list[Box]]:
    """Return the properties of all items, and those of the primary item in their order."""
    meta = next((box for box in boxes(data, 0, len(data)) if box.kind == b"meta"), None)
    if meta is None:
        raise InvalidMedia("The picture has no meta box.")
    children = {box.kind: box for box in boxes(data, meta.start + 4, meta.end)}
    if not children.keys() >= {b"pitm", b"iprp"}:
        raise InvalidMedia("The picture has no primary item.")
    primary = _item_id(data, children[b"pitm"])
    every: list[Box] = []
    indexes: list[int] = []
    for box in boxes(data, children[b"iprp"].start, children[b"iprp"].end):
        if box.kind == b"ipco" and not every:
            every = list(boxes(data, box.start, box.end, _MAX_PROPERTIES))
        elif box.kind == b"ipma" and not indexes:
            indexes = _associations(data, box, primary)
    return every, [every[index - 1] for index in indexes if 0 < index <= len(every)]


def _item_id(data: bytes | memoryview, pitm: Box) -> int:
    wide = data[pitm.start] > 0
    (item,) = struct.unpack_from(">I" if wide else ">H", data, pitm.start + 4)
    return int(item)


def _associations(data: bytes | memoryview, ipma: Box, item: int) -> list[int]:
    """Return the numbers, from 1 on, of the properties of one item."""
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


def _orientation(data: bytes | memoryview, own: list[Box]) -> int:
    turns, axis = 0, None
    for box in own:
        if box.kind == b"irot":
            turns = data[box.start] & 3
        elif box.kind == b"imir":
            axis = data[box.start] & 1
    return _ORIENTATIONS[turns, axis]


def _clean_aperture(data: bytes | memoryview, clap: Box, size: tuple[int, int]) -> tuple[int, int]:
    width, width_parts, height, height_parts = struct.unpack_from(">IIII", data, clap.start)
    if not width_parts or not height_parts:
        raise InvalidMedia("The clean aperture of the picture is broken.")
    return min(size[0], width // width_parts), min(size[1], height // height_parts)
