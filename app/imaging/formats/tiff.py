"""TIFF: the first directory, of a single picture of 8 or 16 bits a sample, or black and white."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from app.domain.media import MediaKind, MediaType
from app.errors import InvalidMedia, UnsupportedMedia
from app.imaging.picture_format import PictureFormat, PictureHeader

_ORDERS = {b"II": "<", b"MM": ">"}
_MAX_ENTRIES = 512
_FIRST_DIRECTORY = 8

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 256, 257, 258, 259, 262
_ORIENTATION, _SAMPLES, _EXTRA, _FORMAT = 274, 277, 338, 339
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _CMYK, _YCBCR = 0, 1, 2, 3, 5, 6
_COLOURS = {_WHITE_IS_ZERO: 1, _BLACK_IS_ZERO: 1, _RGB: 3, _PALETTE: 1, _CMYK: 4, _YCBCR: 3}
"""Samples of a pixel without extra ones, by what they mean."""

_STRIP_ROWS, _TILE_WIDTH, _TILE_HEIGHT = 278, 322, 323
_PLAIN, _JPEG = 1, 7
_BASE_BYTES = 1 << 20
_TYPE_BYTES = (0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4)
"""Bytes of a value by its type, 0 to 13 (TIFF 6.0, section 2; 13 is IFD)."""

_SHORT, _LONG = 3, 4


@dataclass(frozen=True, slots=True)
class _Directory:
    """The first value of each tag that is a SHORT or a LONG, and the bytes that all values outside have together."""

    values: dict[int, int]
    outside_bytes: int

    def get(self, tag: int, default: int) -> int:
        return self.values.get(tag, default)


class Tiff(PictureFormat):
    name = "tiff"
    media_type = MediaType("image/tiff", MediaKind.IMAGE, ".tif")
    plugin = "PIL.TiffImagePlugin:TiffImageFile"
    signature = rb"II\x2a\0|MM\0\x2a"
    decodes_upright = True

    def buffer_bytes(self, header: PictureHeader, encoded_bytes: int) -> int:
        """Pillow hands libtiff, which unpacks, a copy of the file, and keeps what it read of its tags."""
        return (2 * encoded_bytes if header.strip_bytes else 0) + _BASE_BYTES

    def pixel_bytes(self, header: PictureHeader) -> int:
        if header.channels == 1:
            return 2 if header.bits > 8 else 1
        return 1 if header.samples == 1 and header.channels == 3 else 4

    def decoder_bytes(self, header: PictureHeader, pixels: int) -> tuple[int, int]:
        """A strip, which may be the whole picture, beside Pillow's image; turned, there are two of that."""
        image = pixels * self.pixel_bytes(header)
        turning = image if header.orientation > 1 else 0
        return image + max(header.strip_bytes, turning), image

    def has_alpha(self, header: PictureHeader) -> bool:
        return header.channels in (2, 4) and header.samples < 4

    def is_averageable(self, header: PictureHeader) -> bool:
        if header.channels == 1:
            return header.bits == 8
        return (header.channels == 3 and header.samples > 1) or header.samples == 4

    def read_exif(self, data: bytes | memoryview) -> bytes | None:
        """The file itself: EXIF is written as a TIFF is, and its texts are tags of the first directory."""
        return bytes(data)

    def read_header(self, data: bytes | memoryview) -> PictureHeader:
        """Read the first directory. Sources: TIFF 6.0, sections 2 and 8; TIFF Technical Note 2 (JPEG).

        Raises:
            UnsupportedMedia: floating point, more than 16 bits, CIELab, or colour differences other than as JPEG.
            InvalidMedia: also where the values of the directory say that they have more bytes than the file: Pillow
                would read those of each.
        """
        directory = _read_directory(data)
        if directory.outside_bytes > len(data):
            raise InvalidMedia("The directory of the TIFF refers to more than there is.")
        photometric = directory.get(_PHOTOMETRIC, -1)
        bits, stored = directory.get(_BITS, 1), directory.get(_SAMPLES, 1)
        colours = _COLOURS.get(photometric)
        is_plain = directory.get(_FORMAT, 1) == 1 and bits in (1, 2, 4, 8, 16)
        if colours is None or not is_plain or (photometric == _YCBCR and directory.get(_COMPRESSION, _PLAIN) != _JPEG):
            raise UnsupportedMedia("Only TIFF of 8 or 16 bits in grey, RGB, CMYK or a palette is accepted.")
        if not colours <= stored <= colours + 1:
            raise UnsupportedMedia("TIFF with more than one extra sample a pixel is not accepted.")
        orientation = directory.get(_ORIENTATION, 1)
        shown = 3 if photometric == _PALETTE else colours
        return PictureHeader(
            format=self,
            width=directory.get(_WIDTH, 0),
            height=directory.get(_HEIGHT, 0),
            channels=min(4, shown + (stored > colours)),
            bits=max(8, bits),
            orientation=orientation if 1 <= orientation <= 8 else 1,
            samples=float(colours),
            strip_bytes=_strip_bytes(directory, stored * (2 if bits > 8 else 1)),
        )


def _strip_bytes(directory: _Directory, pixel_bytes: int) -> int:
    """Return what the largest strip or tile takes, 0 where nothing is packed; JPEG is unpacked as RGBA first."""
    compression = directory.get(_COMPRESSION, _PLAIN)
    if compression == _PLAIN:
        return 0
    width, height = directory.get(_WIDTH, 0), directory.get(_HEIGHT, 0)
    rows = min(height, directory.get(_STRIP_ROWS, height))
    pixels = max(width * rows, directory.get(_TILE_WIDTH, 0) * directory.get(_TILE_HEIGHT, 0))
    return pixels * (pixel_bytes + (4 if compression == _JPEG else 0))


def _read_directory(data: bytes | memoryview) -> _Directory:
    order = _ORDERS[bytes(data[:2])]
    (offset,) = struct.unpack_from(f"{order}I", data, 4)
    if offset < _FIRST_DIRECTORY:
        raise UnsupportedMedia("The TIFF has no picture.")
    (count,) = struct.unpack_from(f"{order}H", data, offset)
    if count > _MAX_ENTRIES:
        raise InvalidMedia("The TIFF has more tags than are looked at.")
    entry = struct.Struct(f"{order}HHI4s")
    values: dict[int, int] = {}
    outside = 0
    for number in range(count):
        tag, kind, length, value = entry.unpack_from(data, offset + 2 + number * entry.size)
        nbytes = length * (_TYPE_BYTES[kind] if kind < len(_TYPE_BYTES) else 1)
        outside += nbytes if nbytes > len(value) else 0
        if kind in (_SHORT, _LONG) and length:
            values[tag] = _first(data, order, kind, value, is_outside=nbytes > len(value))
    return _Directory(values, outside)


def _first(data: bytes | memoryview, order: str, kind: int, value: bytes, *, is_outside: bool) -> int:
    """Return the first of the values of a tag, which stand in the entry itself or where it says."""
    form = f"{order}{'H' if kind == _SHORT else 'I'}"
    at = struct.unpack(f"{order}I", value)[0] if is_outside else 0
    (found,) = struct.unpack_from(form, data if is_outside else value, at)
    return int(found)
