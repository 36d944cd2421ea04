"""How a picture is written, what that takes, and how long the file may become. Numbers only: both sides use it."""

from __future__ import annotations

from dataclasses import dataclass

_QUALITY = {"jpeg": 80, "webp": 80, "avif": 60, "png": 100}
"""Where the request says nothing: about equal to the eye, and those of sharp but for AVIF (its 50 blurs skin)."""

_FINE_QUALITY = 90
"""From here on colours have all their samples (4:4:4)."""

_PEAKS = {"jpeg": 3.2, "png": 0.1, "webp": 8.5, "avif": 30.0}
_FINE_JPEG, _WEBP_ALPHA, _WEBP_LOSSLESS, _AVIF_ALPHA, _AVIF_FINE = 6.3, 26.0, 25.0, 34.0, 12.0
_AVIF_FAST = 5.0
_AVIF_SEARCH_BYTES, _AVIF_SEARCH = 10 << 20, 40
"""What the slower search takes more: so much for each pixel of a small picture, and no more for a large one."""
_AVIF_SEARCHED_PIXELS = 4_000_000
"""Larger ones would take seconds of it."""
_WEBP_NOISE = 22.0
_BASE_BYTES = 1 << 20
_AVIF_BYTES = 3 << 20
_LOSSLESS_BYTES = 28 << 20
"""Tables of WebP's lossless coder, which smaller pictures fill only in part."""

_COLOURED, _COLOUR_BYTES = frozenset(("webp", "avif")), 4
"""What cannot be grey is written from a second picture."""

_ROOM_BYTES = 64 << 10
_LIKELY = 1.0
_MOST = {"jpeg": 4.6, "webp": 5.2, "avif": 6.0}


@dataclass(frozen=True, slots=True)
class Encoding:
    """One format with all that is chosen for it. `effort` is `ModePolicy.encoder_effort`: 1 the usual one, 0 the least.

    `crisp`: the source is drawn or written (a palette), so that halved colours would show.
    """

    format: str
    quality: int
    lossless: bool = False
    effort: float = 1.0
    crisp: bool = False

    @classmethod
    def of(cls, name: str, quality: int | None, lossless: bool, effort: float, crisp: bool) -> Encoding:
        return cls(name, _QUALITY[name] if quality is None else quality, lossless, effort, crisp)

    @property
    def is_cheap(self) -> bool:
        """Whether a JPEG is written as it comes: its coefficients are not held for better tables."""
        return self.effort < 0.3

    @property
    def is_fine(self) -> bool:
        """Whether colours keep all their samples."""
        return self.lossless or self.crisp or self.quality >= _FINE_QUALITY

    @property
    def png_level(self) -> int:
        return max(1, round(6 * self.effort))

    @property
    def webp_method(self) -> int:
        """At 0 an alpha channel would not be compressed."""
        return max(1, round(4 * self.effort))

    def avif_speed(self, pixels: int) -> int:
        """Of libaom. 6 is as short as sharp's at equal SSIM and 8 a seventh longer, for 0.4 of the CPU time
        (`python -m benchmarks.encoders`)."""
        return 9 if self.effort < 1 else 6 if pixels <= _AVIF_SEARCHED_PIXELS else 8

    def peak_bytes(self, pixels: int, channels: int) -> int:
        """Return what writing takes beyond the picture itself."""
        each, base = _PEAKS[self.format], _BASE_BYTES
        if self.format == "jpeg":
            each = 1.0 if self.is_cheap else _FINE_JPEG if self.is_fine else each
        elif self.format == "webp":
            base += min(_LOSSLESS_BYTES, 260 * pixels) if self.lossless else 0
            each = _WEBP_LOSSLESS if self.lossless else _WEBP_ALPHA if channels == 4 else each
        elif self.format == "avif":
            base += _AVIF_BYTES
            each = (_AVIF_ALPHA if channels == 4 else each) + (_AVIF_FINE if self.is_fine else 0)
            if self.effort < 1:
                each -= _AVIF_FAST
            else:
                base += min(_AVIF_SEARCH_BYTES, _AVIF_SEARCH * pixels)
        if channels == 1 and self.format in _COLOURED:
            each += _COLOUR_BYTES
        return base + int(each * pixels)

    def noise_bytes(self, pixels: int, channels: int) -> int:
        """Return what writing noise takes beyond `peak_bytes`; see `encoders` for who can do without."""
        return int(_WEBP_NOISE * pixels) if self.format == "webp" and (self.lossless or channels == 4) else 0

    def most_bytes(self, pixels: int, channels: int) -> int:
        """Return what no file of it is longer than, noise included."""
        if self.format == "png":  # deflate stores what it cannot make shorter; a row has one byte more
            return _ROOM_BYTES + int((channels + 0.01) * pixels) + pixels // 8
        return _ROOM_BYTES + int(_MOST[self.format] * pixels)

    def likely_bytes(self, pixels: int, channels: int) -> int:
        """Return what hardly any file is longer than: so much is reserved at first."""
        if self.format == "png" or self.lossless or self.quality > 95:
            return self.most_bytes(pixels, channels)
        return min(self.most_bytes(pixels, channels), 2 * _ROOM_BYTES + int(_LIKELY * pixels))
