"""PNG and APNG: image header, and the chunks ahead of the pixels."""

from __future__ import annotations

import struct
from typing import Any

from app.domain.media import MediaKind, MediaType
from app.errors import InvalidMedia
from app.imaging.exif import read_orientation
from app.imaging.picture_format import PictureFormat, PictureHeader

_MAX_CHUNKS = 256

# Longest side: libpng's own default (PNG_USER_WIDTH_MAX). Pillow takes 40 ns for a row, however short it is.
_MAX_SIDE = 1_000_000

# A pointer to each row of Pillow's image and of one converted from it, and up to 3 bytes to fill a row up.
_ROW_BYTES = 8 + 8 + 3
_IHDR = struct.Struct(">I4sIIBBBBB")
_CHUNK = struct.Struct(">I4s")

# Colour type: (channels, samples stored for a pixel without alpha, allowed depths). PNG third edition, table 12.
_COLOURS = {
    0: (1, 1.0, (1, 2, 4, 8, 16)),
    2: (3, 3.0, (8, 16)),
    3: (3, 1.0, (1, 2, 4, 8)),
    4: (2, 1.0, (8, 16)),
    6: (4, 3.0, (8, 16)),
}


class Png(PictureFormat):
    name = "png"
    media_type = MediaType("image/png", MediaKind.IMAGE, ".png")
    plugin = "app.imaging.verified_png:VerifiedPng"
    signature = rb"\x89PNG\r\n\x1a\n"

    def buffer_bytes(self, header: PictureHeader, _encoded_bytes: int) -> int:
        return _ROW_BYTES * header.height

    def pixel_bytes(self, header: PictureHeader) -> int:
        if header.channels == 1 and header.bits > 8:
            return 2
        return 1 if header.samples == 1 and header.channels != 2 else 4

    def is_averageable(self, header: PictureHeader) -> bool:
        if header.channels == 1:
            return header.bits == 8
        return header.channels == 3 and header.samples > 1

    def load_plugin(self) -> Any:
        from PIL import PngImagePlugin

        # Inflated text chunks are kept while a picture is decoded: 1 MiB each and 64 MiB in all by Pillow's defaults.
        PngImagePlugin.MAX_TEXT_MEMORY = 4 * PngImagePlugin.MAX_TEXT_CHUNK
        return super().load_plugin()

    def is_told_by(self, head: bytes, _header: PictureHeader) -> bool:
        return b"IDAT" in head

    def read_header(self, data: bytes | memoryview) -> PictureHeader:
        """Read IHDR, then walk at most 256 chunks up to the first IDAT for tRNS, acTL and eXIf.

        An eXIf chunk behind the pixels is not looked for. `frames` is what acTL says.

        Raises:
            InvalidMedia: also where a side is longer than `_MAX_SIDE`, or where 256 chunks come before the pixels:
                Pillow may inflate 1 MiB for each.
        """
        length, name, width, height, bits, colour, compression, filtering, interlace = _IHDR.unpack_from(data, 8)
        channels, samples, depths = _COLOURS.get(colour, (0, 0.0, ()))
        if name != b"IHDR" or length != 13 or bits not in depths or compression or filtering or interlace > 1:
            raise InvalidMedia("The image header of the PNG is broken.")
        if max(width, height) > _MAX_SIDE:
            raise InvalidMedia(f"The PNG has a side of more than {_MAX_SIDE} pixels.")
        frames = orientation = 1
        position = 33
        for _ in range(_MAX_CHUNKS):
            if position + 12 > len(data):
                break
            length, name = _CHUNK.unpack_from(data, position)
            if name == b"IDAT":
                break
            if name == b"tRNS" and channels in (1, 3):
                channels += 1
            elif name == b"acTL" and length == 8:
                (frames,) = struct.unpack_from(">I", data, position + 8)
            elif name == b"eXIf":
                orientation = read_orientation(data[position + 8 : position + 8 + length])
            position += 12 + length
        else:
            raise InvalidMedia("The PNG has too many chunks before its pixels.")
        return PictureHeader(
            format=self,
            width=width,
            height=height,
            channels=channels,
            bits=bits,
            frames=max(1, frames),
            animated=frames > 1,
            orientation=orientation,
            samples=samples,
        )
