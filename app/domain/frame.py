"""A picture as its header describes it, and the size at which it is analysed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ImageFormat(StrEnum):
    JPEG = "jpeg"
    PNG = "png"
    WEBP = "webp"
    GIF = "gif"
    AVIF = "avif"
    HEIC = "heic"

    @property
    def content_type(self) -> str:
        return f"image/{self.value}"


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """What the first bytes of a picture say, before anything is decoded.

    `width` and `height` are the stored ones, before the EXIF `orientation` (1..8) is applied; `frames` is the number
    of frames if the header tells it, else 1 (`animated` says that there are more). `bits` is the depth of a channel.
    `channels` is what the pixels become: 1 grey, 2 grey and alpha, 3 colour, 4 colour and alpha or CMYK.
    `progressive` is a JPEG whose coefficients are all kept until the last scan: progressive, or in several scans.
    `samples` is how many samples are stored for a pixel (4:4:4: 3, 4:2:0: 1.5), without an alpha channel.
    """

    format: ImageFormat
    width: int
    height: int
    channels: int = 3
    bits: int = 8
    frames: int = 1
    animated: bool = False
    progressive: bool = False
    orientation: int = 1
    samples: float = 3.0

    @property
    def pixels(self) -> int:
        return self.width * self.height

    @property
    def upright(self) -> tuple[int, int]:
        """Width and height after the orientation is applied."""
        return (self.height, self.width) if self.orientation >= 5 else (self.width, self.height)


@dataclass(frozen=True, slots=True)
class AnalysisSize:
    """The box into which pictures are fitted before they are analysed, in pixels."""

    width: int
    height: int

    def scaled(self, factor: float) -> AnalysisSize:
        return AnalysisSize(round(self.width * factor), round(self.height * factor))

    def fit(self, width: int, height: int) -> tuple[int, int]:
        """Return the size of a `width` x `height` picture inside this box: ratio kept, never enlarged, >= 1 pixel.

        A portrait picture is fitted into the box turned upright.
        """
        box_width, box_height = (self.width, self.height) if width >= height else (self.height, self.width)
        factor = min(1.0, box_width / width, box_height / height)
        return max(1, round(width * factor)), max(1, round(height * factor))
