"""Pictures into the formats of answers. Child side: imports Pillow.

What each takes at its peak beyond the picture, in bytes a pixel, measured as the rise of VmHWM (Pillow 13.0,
libjpeg-turbo 3.2, libwebp 1.6, libavif 1.4.2 with libaom, one thread):

    JPEG 4:2:0 optimised     3.1      WebP          6.0 to 9.2      AVIF         26.4 (41.5 at 1 MP, 48 at 0.5)
    JPEG 4:4:4 optimised     6.1      WebP alpha   22.1             AVIF alpha   29.2
    JPEG as it comes         0.0      WebP lossless 23.8            PNG           0.0

Of noise WebP takes 21 (with alpha 45, as without loss), because from method 3 on it keeps the tokens of all blocks;
with method 1 it takes 7 to 8 whatever is in the picture.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from PIL import Image

from app.imaging.encoding import Encoding
from app.imaging.exif import ARTIST, COPYRIGHT, read_texts

_BUFFER_BYTES = 1 << 16
"""How much is written at a time (`ImageFile.MAXBLOCK`)."""

_MAX_CHARACTERS = 1024

_PROGRESSIVE_PIXELS = 500_000
"""From here on a JPEG is progressive: seen coarsely before it is there whole, and 3 % shorter. Below, that takes longer
than it brings (photos at quality 80, optimised tables both): 200 pixels wide 0.2 % for 0.4 ms, 400 2 % for 1.2 ms, 800
4 % for 5 ms of 40, 1600 3 % for 17."""

_THRIFTY_METHOD = 1
_OUT_OF_MEMORY = re.compile(r"encoding error [12]$|[Oo]ut of memory|(color planes|alpha plane) failed$")
"""What Pillow says for libwebp (VP8_ENC_ERROR_OUT_OF_MEMORY and its like for the bits, encode.h), and for libavif: that
encoding planes failed is all that libaom says of missing memory."""

_PLUGINS = {"jpeg": "JPEG", "png": "PNG", "webp": "WEBP", "avif": "AVIF"}


@dataclass(frozen=True, slots=True)
class Credits:
    """Who made a picture and whose it is."""

    artist: str = ""
    copyright: str = ""

    @classmethod
    def of(cls, exif: bytes, info: Mapping[Any, Any]) -> Credits:
        """Return what EXIF says, and where that is silent the texts of a PNG (PNG 1.2, section 11.3.4.2).

        `info` is that of an image that Pillow has opened.
        """
        texts = read_texts(exif, (ARTIST, COPYRIGHT))
        artist, right = (info.get(name) for name in ("Author", "Copyright"))
        return cls(
            texts.get(ARTIST) or (str(artist)[:_MAX_CHARACTERS] if artist else ""),
            texts.get(COPYRIGHT) or (str(right)[:_MAX_CHARACTERS] if right else ""),
        )

    def exif(self) -> bytes:
        """Return an EXIF block with nothing else in it; empty where nothing is known."""
        block = Image.Exif()
        for tag, text in ((ARTIST, self.artist), (COPYRIGHT, self.copyright)):
            if text:
                block[tag] = text
        return block.tobytes() if len(block) else b""


def encode(image: Image.Image, encoding: Encoding, credits: Credits, descriptor: int) -> int:
    """Write a picture of mode L, RGB or RGBA to an open file, from its beginning; return how many bytes it has.

    Raises:
        OSError: the file takes no more bytes.
        MemoryError: it takes more than most pictures do.
    """
    options = _options(encoding, image)
    if exif := credits.exif():
        options["exif"] = exif
    image.info = {}  # what is left there would be written
    try:
        return _save(image, encoding, options, descriptor)
    except MemoryError:
        if encoding.format != "webp" or encoding.lossless:
            raise
        return _save(image, encoding, options | {"method": _THRIFTY_METHOD}, descriptor)
    except OSError as error:
        if encoding.format != "jpeg" or error.errno is not None:
            raise
    # Noise takes more bytes than the buffer that Pillow has for a JPEG that it writes at once: row by row it goes.
    return _save(image, encoding, options | {"optimize": False, "progressive": False}, descriptor)


def _save(image: Image.Image, encoding: Encoding, options: dict[str, Any], descriptor: int) -> int:
    os.lseek(descriptor, 0, os.SEEK_SET)
    try:
        with open(descriptor, "r+b", buffering=_BUFFER_BYTES, closefd=False) as file:
            image.save(file, _PLUGINS[encoding.format], **options)
    except (ValueError, RuntimeError) as error:
        if _OUT_OF_MEMORY.search(str(error)):
            raise MemoryError(str(error)) from error
        raise
    except OSError as error:
        piece = max(_BUFFER_BYTES, 4 * image.width)
        if encoding.format == "jpeg" and not options["optimize"] and _is_full(descriptor, piece):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
        raise
    return os.lseek(descriptor, 0, os.SEEK_CUR)


def _is_full(descriptor: int, piece_bytes: int) -> bool:
    """Whether a file whose size is fixed has no room for a piece more: libjpeg does not say what write(2) said."""
    size = os.fstat(descriptor).st_size
    return os.lseek(descriptor, 0, os.SEEK_CUR) >= size - piece_bytes > 0


def _options(encoding: Encoding, image: Image.Image) -> dict[str, Any]:
    quality = encoding.quality
    match encoding.format:
        case "jpeg":
            progressive = not encoding.is_cheap and image.width * image.height >= _PROGRESSIVE_PIXELS
            sampling = {} if image.mode == "L" else {"subsampling": 0 if encoding.is_fine else 2}
            return {"quality": quality, "optimize": not encoding.is_cheap, "progressive": progressive, **sampling}
        case "png":
            return {"compress_level": encoding.png_level}
        case "webp":
            return {"quality": quality, "method": encoding.webp_method, "lossless": encoding.lossless}
        case _:
            return {
                "quality": 100 if encoding.lossless else quality,
                "speed": encoding.avif_speed(image.width * image.height),
                "subsampling": "4:4:4" if encoding.is_fine else "4:2:0",
                "max_threads": 1,
                "advanced": {"tune": "ssim"},
            }
