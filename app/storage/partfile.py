"""What is done with the file of an upload in a thread: looking into it, reading it back, joining several."""

from __future__ import annotations

import os
from pathlib import Path

from app.storage.appender import Hash, write_all

SLICE_BYTES = 64 * 1024 * 1024
"""How much is read back or joined in one visit to a thread: between two of them we can be stopped."""

_READ_BYTES = 1024 * 1024


def read_head(path: Path, size_bytes: int) -> bytes:
    """Return the first bytes."""
    with path.open("rb") as file:
        return file.read(size_bytes)


def feed(path: Path, offset: int, sha256: Hash) -> None:
    """Let a digest see the slice that begins at `offset`."""
    with path.open("rb", buffering=0) as file:
        file.seek(offset)
        left = SLICE_BYTES
        while left and (data := file.read(min(_READ_BYTES, left))):
            sha256.update(data)
            left -= len(data)


def copy(source: Path, offset: int, count: int, target: Path, digests: tuple[Hash, ...]) -> None:
    """Append a part of one file to another, and let the digests see it.

    Raises:
        OSError: `source` is shorter than that, or `target` cannot take it.
    """
    with source.open("rb", buffering=0) as reader, target.open("ab", buffering=0) as writer:
        reader.seek(offset)
        while count:
            data = reader.read(min(_READ_BYTES, count))
            if not data:
                raise OSError(f"{source.name} is shorter than it was")
            write_all(writer.fileno(), [data])
            for digest in digests:
                digest.update(data)
            count -= len(data)


def sync(path: Path) -> None:
    """Wait until the bytes of a file are on the disk."""
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.fdatasync(fd)
    finally:
        os.close(fd)


def unlink(path: Path) -> None:
    """Remove a file, if it is there."""
    path.unlink(missing_ok=True)
