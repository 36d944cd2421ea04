"""The pictures of a soak: those of a folder, or one that is drawn here.

It is drawn without Pillow: what the soak maps stays in the page cache, and the service would not be charged for it
(`cold.py`).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

from app.domain.units import KIB

_TYPES = {".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png", ".webp": "image/webp"}
_FRAME_BYTES = 300 * KIB
"""A webcam frame of 640x480 has 30-100 KB; nothing above this is streamed where something smaller is there."""


class NoPictures(Exception):
    """The folder has no picture that can be used."""


@dataclass(frozen=True, slots=True)
class Picture:
    data: bytes
    content_type: str


@dataclass(frozen=True, slots=True)
class Pictures:
    """`photos` are analysed in turn, `frames` are streamed in turn; `drawn`: there is nothing to be found in them."""

    photos: tuple[Picture, ...]
    frames: tuple[Picture, ...]
    drawn: bool


def read_pictures(folder: Path | None, max_bytes: int) -> Pictures:
    """Return the JPEG, PNG and WebP files of `folder` that have at most `max_bytes`; without a folder, a drawn one.

    Raises:
        NoPictures: there are none.
    """
    if folder is None:
        drawn = (Picture(grey_jpeg(640, 480), "image/jpeg"),)
        return Pictures(drawn, drawn, drawn=True)
    files = sorted(path for path in folder.glob("*") if path.suffix.lower() in _TYPES and path.is_file())
    photos = tuple(
        Picture(path.read_bytes(), _TYPES[path.suffix.lower()]) for path in files if path.stat().st_size <= max_bytes
    )
    if not photos:
        raise NoPictures(f"there is no JPEG, PNG or WebP file of at most {max_bytes} bytes in {folder}")
    small = tuple(photo for photo in photos if len(photo.data) <= _FRAME_BYTES)
    return Pictures(photos, small or (min(photos, key=lambda photo: len(photo.data)),), drawn=False)


def grey_jpeg(width: int, height: int) -> bytes:
    """Return a baseline JPEG (ITU-T T.81) of one grey: each block is a DC difference of zero and an end of block.

    With Huffman tables of one symbol each, both are the single bit 0, so the whole scan is zeros.
    """
    blocks = -(-width // 8) * -(-height // 8)
    quantization = b"\x00" + bytes([16]) * 64
    frame = struct.pack(">BHHB", 8, height, width, 1) + b"\x01\x11\x00"
    lengths = b"\x01" + b"\x00" * 15
    segments = (
        (0xDB, quantization),
        (0xC0, frame),
        (0xC4, b"\x00" + lengths + b"\x00"),
        (0xC4, b"\x10" + lengths + b"\x00"),
        (0xDA, b"\x01\x01\x00\x00\x3f\x00"),
    )
    head = b"".join(struct.pack(">BBH", 0xFF, mark, len(data) + 2) + data for mark, data in segments)
    # two bits a block; the rest of the last byte is filled with ones (T.81, F.1.2.3)
    scan = bytearray(-(-blocks * 2 // 8))
    if spare := len(scan) * 8 - blocks * 2:
        scan[-1] = (1 << spare) - 1
    return b"\xff\xd8" + head + bytes(scan) + b"\xff\xd9"
