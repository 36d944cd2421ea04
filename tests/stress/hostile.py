"""Pictures that want to break a decoder: small on the wire, or huge in their header, or not what they say."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from PIL import Image

from tests.imaging.pictures import (
    PLUGINS,
    box,
    encode,
    png_bomb,
    png_chunk,
    repeated_scan_jpeg,
    samples,
    scene,
)

_JPEG_FRAME = b"\xff\xc0"


def hostile_pictures(count: int) -> list[bytes]:
    """Return `count` pictures; there are some 90 different ones, taken in turn."""
    different = list(_all())
    return [different[number % len(different)] for number in range(count)]


def endless_scans() -> bytes:
    """Return a progressive JPEG of 24 MP and 1 MB: thousands of scans, each of which walks all coefficients."""
    return repeated_scan_jpeg(6000, 4000, 1_000_000)


def _all() -> Iterator[bytes]:
    known = samples()
    yield from _bombs()
    yield from _giants()
    for data in known.values():
        yield data[: len(data) // 2]
        yield data[: len(data) - 7]
        yield data[:40]
    yield from _polyglots(known)
    yield from _zero_sizes(known)
    yield b""
    yield b"\xff\xd8\xff"
    yield b"<svg xmlns='http://www.w3.org/2000/svg' width='99999' height='99999'/>"
    yield b"PK\x03\x04" + bytes(200)
    yield bytes(range(256)) * 64


def _bombs() -> Iterator[bytes]:
    yield png_bomb(20_000, 20_000)
    yield png_bomb(1, 20_000)
    yield png_bomb(20_000, 1)
    yield png_bomb(7_000, 7_000)  # below the cap on pixels
    yield _many_frames("gif", 300)
    yield _many_frames("png", 100)
    yield _many_frames("webp", 60)
    yield png_bomb(600, 400).replace(b"IDAT", b"tEXt", 1)
    yield endless_scans()
    yield _exif_bomb(samples()["jpeg grey"])


def _exif_bomb(jpeg: bytes) -> bytes:
    """Return a JPEG with 5000 EXIF entries, each of which says that its value is the whole directory: 300 MB in all."""
    entries = b"".join(struct.pack("<HHII", 0x8000 + number, 7, 60_000, 8) for number in range(5000))
    payload = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", 5000) + entries + bytes(4)
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(payload) + 2) + payload + jpeg[20:]


def _giants() -> Iterator[bytes]:
    """Large pictures that are what they say: progressive JPEG cannot be decoded at a smaller scale."""
    large = scene().resize((5000, 4000))
    yield encode(large, "jpeg", progressive=True, quality=30)
    yield encode(large, "jpeg", quality=30)
    yield encode(scene().resize((3000, 2500)), "webp", quality=20)
    yield encode(Image.new("RGB", (6000, 5000), "red"), "png", compress_level=1)
    yield encode(Image.new("RGB", (1, 20_000), "red"), "jpeg")
    yield encode(Image.new("RGB", (20_000, 1), "red"), "jpeg", progressive=True)
    yield _with_jpeg_size(encode(scene(), "jpeg"), 65_500, 65_500)
    yield _with_jpeg_size(encode(scene(), "jpeg"), 1, 20_000)


def _polyglots(known: dict[str, bytes]) -> Iterator[bytes]:
    yield known["jpeg"] + b"PK\x05\x06" + bytes(18)
    yield known["gif"] + b"*/=1;alert(1)//"
    yield known["png"] + known["jpeg"]
    yield b"\xff\xd8\xff" + known["png"]
    yield known["png"][:8] + known["jpeg"]
    yield b"RIFF" + struct.pack("<I", 100) + b"WEBP" + known["gif"]
    yield box(b"ftyp", b"avif\0\0\0\0avifmif1") + known["jpeg"]
    yield known["heic"].replace(b"ftypheic", b"ftypavif", 1)
    yield b"GIF89a" + known["png"]


def _zero_sizes(known: dict[str, bytes]) -> Iterator[bytes]:
    yield _with_jpeg_size(known["jpeg grey"], 0, 0)
    yield _with_jpeg_size(known["jpeg grey"], 200, 0)
    for width, height in ((0, 0), (0, 10), (10, 0), (0x7FFFFFFF, 0x7FFFFFFF), (0xFFFFFFFF, 1)):
        head = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
        yield b"\x89PNG\r\n\x1a\n" + head + known["png"][33:]
    yield known["gif"][:6] + bytes(4) + known["gif"][10:]


def _with_jpeg_size(data: bytes, width: int, height: int) -> bytes:
    at = data.index(_JPEG_FRAME) + 5
    return data[:at] + struct.pack(">HH", height, width) + data[at + 4 :]


def _many_frames(name: str, count: int) -> bytes:
    """Return an animation whose frames differ, so that none is left out."""
    assert name in PLUGINS
    base = Image.new("RGB", (640, 480))
    frames = []
    for number in range(count):
        frame = base.copy()
        frame.putpixel((number % 640, number // 640), (255, 255, 255))
        frames.append(frame)
    return encode(frames[0], name, save_all=True, append_images=frames[1:], duration=20)
