"""WebP: simple lossy, simple lossless and extended files."""

from __future__ import annotations

import importlib.util
import struct
from functools import cache
from pathlib import Path
from typing import Any

from app.domain.media import MediaKind, MediaType
from app.errors import InvalidMedia
from app.imaging.exif import read_orientation
from app.imaging.picture_format import PictureFormat, PictureHeader

_MAX_CHUNKS = 256
_CHUNK = struct.Struct("<4sI")
_ANIMATION, _EXIF, _ALPHA = 0x02, 0x08, 0x10
_LOSSY_SAMPLES, _LOSSLESS_SAMPLES = 1.5, 3.0

# WebPAnimDecoder holds two RGBA canvases; its answer is a `bytes` of the frame, from which the Pillow image is filled.
_PIXEL_BYTES = 16


SCALES = (8, 4, 2)
"""The divisors at which an opaque still picture is decoded: libwebp averages."""

# Rows of blocks, their coefficients and filters (libwebp, `src/dec/frame_dec.c`: about 200 bytes a column).
_COLUMN_BYTES = 512
_LOSSLESS_BYTES = 4
_ALPHA_BYTES = 5  # its plane, and what that is unpacked into where it has no palette


class WebP(PictureFormat):
    name = "webp"
    media_type = MediaType("image/webp", MediaKind.IMAGE, ".webp")
    plugin = "PIL.WebPImagePlugin:WebPImageFile"
    signature = rb"RIFF....WEBP"
    averages = True

    def buffer_bytes(self, _header: PictureHeader, encoded_bytes: int) -> int:
        return encoded_bytes

    def scales_of(self, header: PictureHeader) -> tuple[int, ...]:
        """Colours with alpha are averaged as they stand, which would bleed: these are decoded whole."""
        return SCALES if _is_direct(header) and header.channels == 3 else ()

    def decoder_bytes(self, header: PictureHeader, pixels: int) -> tuple[int, int]:
        """Of a still picture the pixels that come out, some rows, and what is unpacked whole; see `imaging.libwebp`."""
        if not _is_direct(header):
            return pixels * _PIXEL_BYTES, pixels * _PIXEL_BYTES
        image, whole = 4 * pixels, 0
        if header.samples == _LOSSLESS_SAMPLES:
            whole = _LOSSLESS_BYTES * header.pixels
        elif header.channels == 4:
            whole = _ALPHA_BYTES * header.pixels
        return image + whole + _COLUMN_BYTES * header.width, image

    def is_padded(self, header: PictureHeader) -> bool:
        return _is_direct(header) and header.channels == 3

    def read_profile(self, data: bytes | memoryview) -> bytes | None:
        return _chunk(data, b"ICCP")

    def read_exif(self, data: bytes | memoryview) -> bytes | None:
        return _chunk(data, b"EXIF")

    def load_plugin(self) -> Any:
        """Pillow's own has what is animated, and all where libwebp is not found."""
        animated = super().load_plugin()
        if find_library() is None:
            return animated
        from app.imaging.libwebp import WebpImage, is_usable

        if not is_usable():
            return animated

        def opened(file: Any) -> Any:
            try:
                return WebpImage(file)
            except SyntaxError:
                file.seek(0)
                return animated(file)

        return opened

    def is_told_by(self, head: bytes, _header: PictureHeader) -> bool:
        """One with more than a picture in it has frames and orientation behind the pixels."""
        return head[12:16] != b"VP8X"

    def read_header(self, data: bytes | memoryview) -> PictureHeader:
        """Read the first chunk of the RIFF file; of an extended one, at most 256 more for frames and orientation.

        Sources: RFC 9649 (container and lossless), RFC 6386 section 9.1 (VP8 frame header).
        """
        kind = bytes(data[12:16])
        if kind == b"VP8X":
            return self._read_extended(data)
        if kind == b"VP8L":
            return self._read_lossless(data)
        if kind == b"VP8 ":
            return self._read_lossy(data)
        raise InvalidMedia("The WebP does not start with a picture.")

    def _read_lossy(self, data: bytes | memoryview) -> PictureHeader:
        width, height = struct.unpack_from("<HH", data, 26)
        if data[20] & 1 or data[23:26] != b"\x9d\x01\x2a":
            raise InvalidMedia("The WebP does not start with a key frame.")
        return PictureHeader(self, width & 0x3FFF, height & 0x3FFF, samples=_LOSSY_SAMPLES)

    def _read_lossless(self, data: bytes | memoryview) -> PictureHeader:
        signature, bits = struct.unpack_from("<BI", data, 20)
        if signature != 0x2F or bits >> 29:
            raise InvalidMedia("The lossless WebP has a wrong signature or version.")
        return PictureHeader(
            format=self,
            width=(bits & 0x3FFF) + 1,
            height=(bits >> 14 & 0x3FFF) + 1,
            channels=4 if bits >> 28 & 1 else 3,
            samples=_LOSSLESS_SAMPLES,
        )

    def _read_extended(self, data: bytes | memoryview) -> PictureHeader:
        flags, size_low, size_high = struct.unpack_from("<B3xIH", data, 20)
        size = size_high << 32 | size_low
        frames, orientation, samples = _walk(data, flags)
        return PictureHeader(
            format=self,
            width=(size & 0xFFFFFF) + 1,
            height=(size >> 24) + 1,
            channels=4 if flags & _ALPHA else 3,
            frames=max(1, frames),
            animated=bool(flags & _ANIMATION),
            orientation=orientation,
            samples=samples,
        )


@cache
def find_library() -> Path | None:
    """Return the libwebp that Pillow brings, by its place beside it; None where Pillow uses another."""
    pillow = importlib.util.find_spec("PIL")
    if pillow is None or pillow.origin is None:
        return None
    place = Path(pillow.origin).parent.parent / "pillow.libs"
    return next(iter(sorted(place.glob("libwebp-*.so*"))), None)


def _is_direct(header: PictureHeader) -> bool:
    return not header.animated and find_library() is not None


def _chunk(data: bytes | memoryview, wanted: bytes) -> bytes | None:
    """Return the first of the chunks of this name, among as many as are looked at."""
    position = 12
    for _ in range(_MAX_CHUNKS):
        if position + 8 > len(data):
            return None
        name, length = _CHUNK.unpack_from(data, position)
        if name == wanted:
            return bytes(data[position + 8 : position + 8 + length])
        position += 8 + length + (length & 1)
    return None


def _walk(data: bytes | memoryview, flags: int) -> tuple[int, int, float]:
    """Return (frames, orientation, samples): lossless is assumed until a still lossy picture has been seen."""
    frames, orientation, samples = 0, 1, _LOSSLESS_SAMPLES
    position = 30
    for _ in range(_MAX_CHUNKS):
        complete = frames and not flags & (_EXIF | _ANIMATION)
        if complete or position + 8 > len(data):
            break
        name, length = _CHUNK.unpack_from(data, position)
        if name == b"ANMF":
            frames += 1
        elif name == b"VP8 ":
            frames, samples = 1, _LOSSY_SAMPLES
        elif name == b"VP8L":
            frames = 1
        elif name == b"EXIF":
            orientation = read_orientation(data[position + 8 : position + 8 + length])
        position += 8 + length + (length & 1)
    return frames, orientation, samples
