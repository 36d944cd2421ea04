"""An animated WebP, frame by frame. Child side: imports Pillow.

Pillow's own `save_all` wants all frames at once; its encoder (libwebp's) takes one after the other.
"""

from __future__ import annotations

import os

from PIL import Image, _webp

from app.imaging.encoders import Credits
from app.imaging.encoding import Encoding

_TRANSPARENT = 0
_KEY_FRAMES = (3, 5)
"""At least and at most so many frames between two whole ones, as gif2webp has it: so many are held coded, twice."""


class Animation:
    """Takes frames of one size, mode RGB or RGBA; `loops` is how often it is shown, 0: for ever."""

    def __init__(self, size: tuple[int, int], encoding: Encoding, loops: int) -> None:
        self._encoder = _webp.WebPAnimEncoder(size, _TRANSPARENT, loops, False, *_KEY_FRAMES, False, False)
        self._encoding = encoding
        self._at = 0
        self.frames = 0

    def add(self, image: Image.Image, milliseconds: int) -> None:
        """Add a frame that is shown for so long."""
        encoding = self._encoding
        frame = image if image.mode in ("RGB", "RGBA") else image.convert("RGB")
        self._encoder.add(frame.getim(), self._at, encoding.lossless, encoding.quality, 100, encoding.webp_method)
        self._at += milliseconds
        self.frames += 1

    def write(self, credits: Credits, descriptor: int) -> int:
        """Write it to an open file, from its beginning; return how many bytes it has.

        Raises:
            OSError: the file takes no more bytes, or there is nothing to write.
        """
        self._encoder.add(None, self._at, self._encoding.lossless, self._encoding.quality, 100, 0)
        data = self._encoder.assemble("", credits.exif(), "")
        if data is None:
            raise OSError("the animation cannot be written")
        os.lseek(descriptor, 0, os.SEEK_SET)
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
        return len(data)
