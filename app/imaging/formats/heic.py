"""HEIC: HEVC in HEIF."""

from __future__ import annotations

from typing import Any

from app.domain.media import MediaKind, MediaType
from app.imaging.heif import HeifFormat

_SEQUENCES = frozenset((b"hevc", b"hevx", b"hevm", b"hevs"))


class Heic(HeifFormat):
    name = "heic"
    media_type = MediaType("image/heic", MediaKind.IMAGE, ".heic")
    plugin = "pillow_heif:HeifImageFile"
    brands = frozenset((b"heic", b"heix", b"heim", b"heis")) | _SEQUENCES
    sequence_brands = _SEQUENCES | {b"msf1"}
    configuration = b"hvcC"
    plane_share = 1.4  # a grid of 512-pixel tiles is larger than the picture that is cut from it
    decodes_upright = True
    applies_clean_aperture = True

    def sampling(self, data: bytes | memoryview, start: int) -> tuple[float, int]:
        """See `HeifFormat.sampling`. Source: ISO/IEC 14496-15, 8.3.2."""
        return (1.0, 1.5, 2.0, 3.0)[data[start + 16] & 3], 8 + (data[start + 17] & 7)

    def load_plugin(self) -> Any:
        from pillow_heif import options

        # Embedded thumbnails may show something else; depth maps and the like are not asked for.
        options.THUMBNAILS = options.DEPTH_IMAGES = options.AUX_IMAGES = False
        options.DECODE_THREADS = 1
        return super().load_plugin()
