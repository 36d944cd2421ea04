"""AVIF: AV1 in HEIF."""

from __future__ import annotations

from typing import Any

from app.domain.media import MediaKind, MediaType
from app.imaging.heif import HeifFormat
from app.imaging.picture_format import PictureHeader


class Avif(HeifFormat):
    name = "avif"
    media_type = MediaType("image/avif", MediaKind.IMAGE, ".avif")
    plugin = "PIL.AvifImagePlugin:AvifImageFile"
    brands = frozenset((b"avif", b"avis"))
    sequence_brands = frozenset((b"avis", b"msf1"))
    configuration = b"av1C"
    plane_share = 2.1  # padded to blocks, and kept a second time where film grain is added (measured: exactly twice)

    def sampling(self, data: bytes | memoryview, start: int) -> tuple[float, int]:
        """See `HeifFormat.sampling`. Source: AV1-ISOBMFF, 2.3."""
        flags = data[start + 2]
        bits = 8 if not flags & 0x40 else 12 if flags & 0x20 else 10
        if flags & 0x10:
            return 1.0, bits
        return 1 + 2 / (1 << (flags >> 3 & 1) << (flags >> 2 & 1)), bits

    def decoder_bytes(self, header: PictureHeader, pixels: int) -> tuple[int, int]:
        """The plug-in keeps its decoder, with all that it holds, as long as the image is there."""
        total, _ = super().decoder_bytes(header, pixels)
        return total, total

    def load_plugin(self) -> Any:
        from PIL import AvifImagePlugin

        # One thread: the workers are parallel already, and dav1d holds a picture for each of its threads.
        AvifImagePlugin.DEFAULT_MAX_THREADS = 1
        return super().load_plugin()
