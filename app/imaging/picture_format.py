"""A picture format: how a file of it begins, what its header says, and what decoding it takes.

A file in `formats/` is one format. The API process imports them all: standard library only, but for `load_plugin`.
"""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

from app.domain.media import MediaType


@dataclass(frozen=True, slots=True)
class PictureHeader:
    """What the first bytes of a picture say, before anything is decoded.

    `width` and `height` are the stored ones, before the EXIF `orientation` (1..8) is applied; `frames` is the number
    of frames if the header tells it, else 1 (`animated` says that there are more). `bits` is the depth of a channel.
    `channels` is what the pixels become: 1 grey, 2 grey and alpha, 3 colour, 4 colour and alpha or CMYK.
    `progressive` is a JPEG whose coefficients are all kept until the last scan: progressive, or in several scans.
    `samples` is how many samples are stored for a pixel (4:4:4: 3, 4:2:0: 1.5), without an alpha channel.
    `strip_bytes` is what the largest strip or tile of a TIFF takes that has to be unpacked.
    """

    format: PictureFormat
    width: int
    height: int
    channels: int = 3
    bits: int = 8
    frames: int = 1
    animated: bool = False
    progressive: bool = False
    orientation: int = 1
    samples: float = 3.0
    strip_bytes: int = 0

    @property
    def pixels(self) -> int:
        return self.width * self.height

    @property
    def upright(self) -> tuple[int, int]:
        """Width and height after the orientation is applied."""
        return (self.height, self.width) if self.orientation >= 5 else (self.width, self.height)


class PictureFormat(ABC):
    """One format, without state. What has a default here suits a format that is decoded straight into Pillow's image.

    The costs are in bytes, and an upper bound: `tests/imaging/test_cost.py` measures what is declared.
    """

    name: ClassVar[str]
    """One word in small letters, also in the names of operations that are forecast."""
    media_type: ClassVar[MediaType]
    plugin: ClassVar[str]
    """Pillow's plug-in: its module, a colon, and its class of images."""

    signature: ClassVar[bytes] = b""
    """A regular expression of what a file begins with, within its first 32 bytes; `.` is any byte."""
    brands: ClassVar[frozenset[bytes]] = frozenset()
    """Where it is an ISO base media file instead: the brands that stand for this format."""
    scales: ClassVar[tuple[int, ...]] = ()
    """The divisors at which the decoder can decode straight away (`Image.draft`), largest first; see `scales_of`."""
    averages: ClassVar[bool] = False
    """Whether it averages then, into whole pixels: an eye wants twice as many as it is shown, filtered well. (JPEG
    leaves frequencies out, and a last column may stand for a part of its width.)"""
    counts_scaled: ClassVar[bool] = False
    """Whether such a picture counts for IMAGE__MAX_PIXELS at the scale at which it is decoded."""
    decodes_upright: ClassVar[bool] = False
    """Whether the decoder itself applies the orientation."""

    def holds(self, _data: bytes | memoryview) -> bool:
        """Whether a file that has no format's signature or brand is of this format all the same.

        Raises:
            InvalidMedia, IndexError, struct.error: see `read_header`.
        """
        return False

    @abstractmethod
    def read_header(self, data: bytes | memoryview) -> PictureHeader:
        """Read the header of a file of this format, in bounded work whatever its bytes are.

        Raises:
            UnsupportedMedia: a variant that is not decoded.
            InvalidMedia: the header is broken.
            IndexError, struct.error: `data` ends inside it.
        """

    def scales_of(self, _header: PictureHeader) -> tuple[int, ...]:
        """Return the divisors at which a picture of this header can be decoded, largest first."""
        return self.scales

    def is_told_by(self, _head: bytes, _header: PictureHeader) -> bool:
        """Whether what `read_header` read in the first bytes of a picture is all that it would read in the whole."""
        return False

    def buffer_bytes(self, _header: PictureHeader, _encoded_bytes: int) -> int:
        """What the decoder holds beside the pixels, such as its own copy of a file of `encoded_bytes`."""
        return 0

    def pixel_bytes(self, header: PictureHeader) -> int:
        """A pixel in Pillow's memory: grey and palettes take 1, 16-bit grey 2, all others 4."""
        return 1 if header.channels == 1 else 4

    def decoder_bytes(self, header: PictureHeader, pixels: int) -> tuple[int, int]:
        """Return what is held while `pixels` are decoded, and what remains of it when the picture is complete."""
        image = pixels * self.pixel_bytes(header)
        return image, image

    def has_alpha(self, header: PictureHeader) -> bool:
        """Whether something of such a picture can be transparent."""
        return header.channels in (2, 4)

    def survey(self, _data: bytes | memoryview, header: PictureHeader) -> tuple[int, bool]:
        """Return how many frames a whole picture has, and whether something of it can be transparent.

        For who asks: `read_header` is for all pictures, and looks no further than it must.
        """
        return header.frames, self.has_alpha(header)

    def is_averageable(self, header: PictureHeader) -> bool:
        """Whether Pillow's image can be reduced in the mode in which it comes (`decode._PLAIN_MODES`)."""
        return header.channels in (1, 3)

    def is_padded(self, _header: PictureHeader) -> bool:
        """Whether it comes in mode RGBX, and is brought into RGB when it has been reduced."""
        return False

    def read_profile(self, _data: bytes | memoryview) -> bytes | None:
        """Return the ICC profile of a file of this format where Pillow's plug-in is kept from reading it."""
        return None

    def read_exif(self, _data: bytes | memoryview) -> bytes | None:
        """Return the EXIF block where Pillow's plug-in is kept from reading it."""
        return None

    def load_plugin(self) -> Any:
        """Import Pillow's plug-in and return its class of images. Child side only."""
        module, _, name = self.plugin.partition(":")
        return getattr(importlib.import_module(module), name)
