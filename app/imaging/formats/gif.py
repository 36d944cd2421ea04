"""GIF: logical screen, first image, and whether a second one is in sight."""

from __future__ import annotations

import struct

from app.domain.media import MediaKind, MediaType
from app.errors import InvalidMedia
from app.imaging.picture_format import PictureFormat, PictureHeader

# A step is a block or a sub-block (at most 255 bytes): about 256 KiB ahead of the first image, 32 KiB behind it.
_STEPS_TO_FIRST = 1024
_STEPS_TO_SECOND = 128
_EXTENSION, _IMAGE, _TRAILER = 0x21, 0x2C, 0x3B
_LOOPING = (b"NETSCAPE2.0", b"ANIMEXTS1.0")


class Gif(PictureFormat):
    name = "GIF"
    media_type = MediaType("image/gif", MediaKind.IMAGE, ".gif")
    plugin = "PIL.GifImagePlugin:GifImageFile"
    signature = rb"GIF8[79]a"

    def pixel_bytes(self, _header: PictureHeader) -> int:
        """The first frame stays a palette."""
        return 1

    def read_header(self, data: bytes | memoryview) -> PictureHeader:
        """Read the logical screen and the first image: the canvas holds both, whichever is larger.

        `animated` is True when the file asks for looping, as nearly all animations do, or the second image comes soon;
        `frames` stays 1.
        Source: GIF89a specification, sections 18 to 26.

        Raises:
            InvalidMedia: no image within the data given or within 1024 blocks.
        """
        width, height = struct.unpack_from("<HH", data, 6)
        walk = _Walk(data)
        images, looping, more = 0, False, walk.position < len(data)
        while more and not (images and looping):
            position = walk.position
            kind = data[position]
            if kind == _IMAGE:
                images += 1
                left, top, image_width, image_height, flags = struct.unpack_from("<HHHHB", data, position + 1)
                if images > 1:
                    break
                walk.steps = _STEPS_TO_SECOND
                width, height = max(width, left + image_width), max(height, top + image_height)
                more = walk.step(11 + _table_bytes(flags)) and walk.skip_blocks()
            elif kind == _EXTENSION:
                application = data[position + 1 : position + 3] == b"\xff\x0b"
                looping = looping or (application and bytes(data[position + 3 : position + 14]) in _LOOPING)
                more = walk.step(2) and walk.skip_blocks()
            else:
                more = kind != _TRAILER and walk.step(1)  # padding, which Pillow skips as well
        if not images:
            raise InvalidMedia("The GIF has no image where one is expected.")
        return PictureHeader(self, width, height, channels=4, animated=looping or images > 1, samples=1.0)


class _Walk:
    """A position in the blocks of a GIF, which can only take so many steps."""

    def __init__(self, data: bytes | memoryview) -> None:
        self._data = data
        self.steps = _STEPS_TO_FIRST
        self.position = 13 + _table_bytes(data[10])

    def step(self, size: int) -> bool:
        self.position += size
        self.steps -= 1
        return self.steps > 0 and self.position < len(self._data)

    def skip_blocks(self) -> bool:
        """Step over a chain of sub-blocks; False when the steps or the bytes have run out."""
        while length := self._data[self.position]:
            if not self.step(1 + length):
                return False
        return self.step(1)


def _table_bytes(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0
