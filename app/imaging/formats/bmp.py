"""BMP: file header and the Windows bitmap header behind it."""

from __future__ import annotations

import struct

from app.domain.media import MediaKind, MediaType
from app.errors import InvalidMedia, UnsupportedMedia
from app.imaging.picture_format import PictureFormat, PictureHeader

_CORE_BYTES = 12
_HEADER_BYTES = frozenset((_CORE_BYTES, 40, 52, 56, 64, 108, 124))
_CORE = struct.Struct("<HHHH")
_INFO = struct.Struct("<iiHHI")
_ALPHA_MASK = struct.Struct("<I")
_ALPHA_AT, _WITH_ALPHA_BYTES = 66, 56
_PLAIN, _BIT_FIELDS = 0, 3

# A pointer to each row of Pillow's image and of one converted from it.
_ROW_BYTES = 16


class Bmp(PictureFormat):
    name = "bmp"
    media_type = MediaType("image/bmp", MediaKind.IMAGE, ".bmp")
    plugin = "PIL.BmpImagePlugin:BmpImageFile"
    signature = rb"BM.{4}\0{4}"  # the length of the file, and four reserved bytes

    def buffer_bytes(self, header: PictureHeader, _encoded_bytes: int) -> int:
        return _ROW_BYTES * header.height

    def pixel_bytes(self, header: PictureHeader) -> int:
        return 1 if header.samples == 1 else 4

    def is_averageable(self, header: PictureHeader) -> bool:
        return header.channels == 3 and header.samples > 1

    def read_header(self, data: bytes | memoryview) -> PictureHeader:
        """Read the header that follows the file's own. Source: BITMAPINFOHEADER and its successors (Windows GDI).

        Run lengths are refused: nearly nobody writes them, and Pillow reads them in Python, a second for 10 MP.

        Raises:
            UnsupportedMedia: it is compressed, or none of the headers that there are.
        """
        (header_bytes,) = struct.unpack_from("<I", data, 14)
        if header_bytes not in _HEADER_BYTES:
            raise UnsupportedMedia("What begins as a BMP has no header of one.")
        compression = _PLAIN
        if header_bytes == _CORE_BYTES:
            width, height, _, bits = _CORE.unpack_from(data, 18)
        else:
            width, height, _, bits, compression = _INFO.unpack_from(data, 18)
        if bits not in (1, 4, 8, 16, 24, 32) or width < 1 or not height:
            raise InvalidMedia("The image header of the BMP is broken.")
        if compression not in (_PLAIN, _BIT_FIELDS):
            raise UnsupportedMedia("Only BMP without compression is accepted.")
        alpha = (
            compression == _BIT_FIELDS
            and header_bytes >= _WITH_ALPHA_BYTES
            and bits == 32
            and _ALPHA_MASK.unpack_from(data, _ALPHA_AT)[0] != 0
        )
        return PictureHeader(self, width, abs(height), channels=3 + alpha, samples=1.0 if bits <= 8 else 3.0)
