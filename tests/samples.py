"""Small media, made in place, for tests that care about bytes and not about pictures."""

from __future__ import annotations

import random
import struct
import zlib


def png(width: int = 3, height: int = 2) -> bytes:
    """Return a real black PNG."""
    rows = b"".join(b"\0" + b"\0" * (3 * width) for _ in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + _png_chunk(b"IHDR", header)
        + _png_chunk(b"IDAT", zlib.compress(rows))
        + _png_chunk(b"IEND", b"")
    )


def mp4(size: int) -> bytes:
    """Return `size` bytes that begin as an MP4 does; the rest is noise, always the same."""
    head = b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom"
    return head + random.Random(size).randbytes(size - len(head))


def form(
    *parts: tuple[str, bytes], boundary: bytes = b"b0undary", end: bytes | None = None, filename: str = "clip.mp4"
) -> bytes:
    """Return a multipart body; a part named `file` gets a file name, other parts are fields."""
    body = b""
    for name, data in parts:
        disposition = f'Content-Disposition: form-data; name="{name}"'
        if name == "file":
            disposition += f'; filename="{filename}"\r\nContent-Type: video/mp4'
        body += b"--" + boundary + b"\r\n" + disposition.encode() + b"\r\n\r\n" + data + b"\r\n"
    return body + (b"--" + boundary + b"--\r\n" if end is None else end)


def _png_chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
