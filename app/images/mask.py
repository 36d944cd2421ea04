"""Masks of moving regions: small grey pictures, one for each frame. Child side."""

from __future__ import annotations

import io
import json
import os
from typing import Any

from PIL import Image, ImageDraw

from app.errors import InvalidMedia
from app.workers.channel import Head

_WHITE = 255
_QUICK = 1
"""zlib's quickest level: a mask of two ovals has some 500 bytes."""


def write_masks(head: dict[str, Any], payload: bytes, descriptor: int) -> Head:
    """Append a PNG of `width` x `height` for each list of regions; return how many bytes that were.

    `payload` is a JSON list of lists of `[x, y, width, height]`, in shares of the sides; `shape`: `oval` or `box`.
    """
    size = head["width"], head["height"]
    written = 0
    for regions in json.loads(payload):
        data = _mask(size, regions, head["shape"])
        while data:
            count = os.write(descriptor, data)
            written += count
            data = data[count:]
    return {"sizeBytes": written}


def _mask(size: tuple[int, int], regions: list[list[float]], shape: str) -> bytes:
    mask = Image.new("L", size)
    draw = ImageDraw.Draw(mask)
    paint = draw.ellipse if shape == "oval" else draw.rectangle
    for region in regions:
        if len(region) != 4:
            raise InvalidMedia("A region has four sides.")
        x, y, width, height = (side * size[at % 2] for at, side in enumerate(region))
        # A pixel more on each side: scaled up, its edge is grey.
        paint((x - 1.5, y - 1.5, x + width + 1.5, y + height + 1.5), fill=_WHITE)
    buffer = io.BytesIO()
    mask.save(buffer, "png", compress_level=_QUICK)
    return buffer.getvalue()
