"""Pictures that ffmpeg writes: their formats, and what a run that makes some holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from app.domain.units import MIB
from app.ffmpeg.abilities import Abilities


@dataclass(frozen=True, slots=True)
class StillFormat:
    """`encoder` is FFmpeg's. `pixel_bytes`: what scaling and encoding hold for each pixel of the result (measured with
    FFmpeg 5.1, 9 megapixels: 5.6, 9.4 and 3.1; sheets of tiles, which are held while they are filled, 8)."""

    name: str
    encoder: str
    content_type: str
    extension: str
    options: tuple[str, ...]
    pixel_bytes: int

    def arguments(self) -> list[str]:
        return ["-c:v", self.encoder, "-threads", "1", *self.options, "-map_metadata", "-1"]


STILL_FORMATS: Mapping[str, StillFormat] = {
    one.name: one
    for one in (
        StillFormat("jpeg", "mjpeg", "image/jpeg", ".jpg", ("-q:v", "3", "-pix_fmt", "yuvj420p"), 8),
        StillFormat("png", "png", "image/png", ".png", ("-pix_fmt", "rgb24"), 11),
        StillFormat("webp", "libwebp", "image/webp", ".webp", ("-quality", "80", "-pix_fmt", "yuv420p"), 8),
    )
}

_BASE_BYTES = 56 * MIB
_PICTURES = 8
"""How many pictures of the input a decoder with one thread holds (measured: 720p 62 MB, 1080p 75, 4K 139, and 1080p
with 10 bits 99, each with a small result)."""


def available_stills(abilities: Abilities) -> list[str]:
    """Return the names of the formats that this machine's ffmpeg can write."""
    return [name for name, one in STILL_FORMATS.items() if one.encoder in abilities.encoders]


def still_bytes(picture: int, pixels: int, chosen: StillFormat) -> int:
    """Return the peak of a run that decodes pictures of `picture` bytes (`predictor.picture_bytes`) with one thread,
    and writes some of so many pixels."""
    return _BASE_BYTES + _PICTURES * picture + chosen.pixel_bytes * pixels


def most_still_bytes(pixels: int) -> int:
    """Return the size of the largest file of so many pixels: PNG of noise has 3 bytes a pixel, and some for each row."""
    return 4 * pixels + MIB // 16
