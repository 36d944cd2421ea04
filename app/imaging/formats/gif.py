"""GIF: logical screen, first image, and whether a second one is in sight."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import suppress

from app.domain.media import MediaKind, MediaType
from app.errors import InvalidMedia
from app.imaging.picture_format import PictureFormat, PictureHeader

# A step is a block or a sub-block (at most 255 bytes): about 256 KiB ahead of the first image, 32 KiB behind it.
_STEPS_TO_FIRST = 1024
_STEPS_TO_SECOND = 128
_EXTENSION, _IMAGE, _TRAILER = 0x21, 0x2C, 0x3B
_GRAPHIC_CONTROL = 0xF9
_LOOPING = (b"NETSCAPE2.0", b"ANIMEXTS1.0")


class Gif(PictureFormat):
    name = "gif"
    media_type = MediaType("image/gif", MediaKind.IMAGE, ".gif")
    plugin = "PIL.GifImagePlugin:GifImageFile"
    signature = rb"GIF8[79]a"

    def pixel_bytes(self, _header: PictureHeader) -> int:
        """The first frame stays a palette."""
        return 1

    def read_header(self, data: bytes | memoryview) -> PictureHeader:
        """Read the logical screen and the first image: the canvas holds both, whichever is larger.

        `animated` is True when the file asks for looping, as nearly all animations do, or the second image comes soon;
        `frames` stays 1. Source: GIF89a specification, sections 18 to 26.
        """
        width, height = struct.unpack_from("<HH", data, 6)
        images, looping = 0, False
        for position in _blocks(data):
            if data[position] == _IMAGE:
                images += 1
                left, top, image_width, image_height, _ = struct.unpack_from("<HHHHB", data, position + 1)
                if images == 1:
                    width, height = max(width, left + image_width), max(height, top + image_height)
            elif data[position + 1 : position + 3] == b"\xff\x0b":  # of an application, whose name has 11 bytes
                looping = looping or bytes(data[position + 3 : position + 14]) in _LOOPING
            if images > 1 or (images and looping):
                break
        if not images:
            raise InvalidMedia("The GIF has no image where one is expected.")
        return PictureHeader(self, width, height, channels=4, animated=looping or images > 1, samples=1.0)

    def survey(self, data: bytes | memoryview, header: PictureHeader) -> tuple[int, bool]:
        """Count all images. A hole is a transparent colour of an image (section 23), or what the first leaves bare."""
        frames, has_holes, whole = 0, False, (0, 0, header.width, header.height)
        with suppress(IndexError, struct.error):  # it ends within a block: so much of it there is
            for position in _blocks(data, len(data), len(data)):
                if data[position] == _IMAGE:
                    frames += 1
                    has_holes |= frames == 1 and struct.unpack_from("<HHHH", data, position + 1) != whole
                elif data[position + 1] == _GRAPHIC_CONTROL:
                    has_holes |= bool(data[position + 3] & 1)
        return max(1, frames), has_holes


def _blocks(data: bytes | memoryview, steps: int = _STEPS_TO_FIRST, further: int = _STEPS_TO_SECOND) -> Iterator[int]:
    """Yield where each image and each extension begins, as far as the steps (`further` after an image) suffice."""
    position, is_chain = 13 + _table_bytes(data[10]), False
    while steps > 0 and position < len(data):
        byte = data[position]
        if is_chain:  # the length of a sub-block; 0 ends them
            position, is_chain = position + 1 + byte, byte > 0
        elif byte == _TRAILER:
            return
        elif byte == _EXTENSION:
            yield position
            position, is_chain = position + 2, True
        elif byte == _IMAGE:
            yield position
            position, is_chain = position + 11 + _table_bytes(data[position + 9]), True
            steps = further
        else:
            position += 1  # padding, which Pillow skips as well
        steps -= 1


def _table_bytes(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0
