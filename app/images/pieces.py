"""Bytes out of a body that is in memory or in a file, a piece at a time."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

from app.derived.entries import BodyFile
from app.images.rendered import PIECE_BYTES
from app.storage.threads import DiskThreads


async def pieces(
    body: bytes | BodyFile, disk: DiskThreads, offset: int = 0, length: int | None = None
) -> AsyncIterator[bytes]:
    """Give the bytes of a body from `offset` on, `length` of them (None: all).

    Raises:
        OSError: its file is shorter than it should be, or cannot be read.
    """
    if isinstance(body, bytes):
        yield body[offset:] if length is None else body[offset : offset + length]
        return
    end = body.size_bytes if length is None else offset + length
    while offset < end:
        piece = await disk.run(os.pread, body.fd, min(PIECE_BYTES, end - offset), offset)
        if not piece:
            raise OSError("a picture's file is shorter than it should be")
        offset += len(piece)
        yield piece
