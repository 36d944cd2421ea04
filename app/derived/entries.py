"""How a derived result lies in a file: the body, then the head, then a trailer that tells whether both are whole.

The body comes first, so that it can be sent from the file as it is. Files are not synced when they are written: after a
power cut one may have its name and not all of its bytes, and then its check sum says so.

All of this blocks, and runs in threads.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from app.domain.units import KIB, MIB
from app.storage.files import write_all

_TRAILER = struct.Struct("<8sQII")
_MAGIC = b"ballast1"
_PIECE_BYTES = 256 * KIB
_MAX_HEAD_BYTES = MIB


@dataclass(frozen=True, slots=True)
class BodyFile:
    """Bytes in an open file: the first `size_bytes` of it. Whoever is given one closes `fd`."""

    fd: int
    size_bytes: int


def entry_bytes(head: bytes, body_bytes: int) -> int:
    """Return the size of the file."""
    return body_bytes + len(head) + _TRAILER.size


def write_entry(path: Path, head: bytes, body: bytes | BodyFile) -> None:
    """Write a new file (mode 0600). What fails leaves nothing behind.

    Raises:
        StorageFull: the disk is full.
        OSError: it cannot be written, or the body's file cannot be read.
    """
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        size_bytes = check_sum = 0
        for piece in _pieces(body):
            write_all(fd, [piece])
            check_sum = zlib.crc32(piece, check_sum)
            size_bytes += len(piece)
        check_sum = zlib.crc32(head, check_sum)
        write_all(fd, [head, _TRAILER.pack(_MAGIC, size_bytes, len(head), check_sum)])
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    finally:
        os.close(fd)


def open_entry(path: Path) -> tuple[bytes, BodyFile] | None:
    """Return the head and the open body of a file; None where there is none, or it is not whole (it is then removed).

    Raises:
        OSError: it cannot be read.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        found = _read(fd)
    except BaseException:
        os.close(fd)
        raise
    if found is None:
        os.close(fd)
        return None
    return found


def _read(fd: int) -> tuple[bytes, BodyFile] | None:
    size_bytes = os.fstat(fd).st_size
    if size_bytes < _TRAILER.size:
        return None
    magic, body_bytes, head_bytes, check_sum = _TRAILER.unpack(os.pread(fd, _TRAILER.size, size_bytes - _TRAILER.size))
    is_ours = magic == _MAGIC and head_bytes <= _MAX_HEAD_BYTES
    if not is_ours or body_bytes + head_bytes + _TRAILER.size != size_bytes:
        return None
    found = BodyFile(fd, body_bytes)
    seen = 0
    for piece in _pieces(found):
        seen = zlib.crc32(piece, seen)
    head = os.pread(fd, head_bytes, body_bytes)
    return (head, found) if zlib.crc32(head, seen) == check_sum else None


def _pieces(body: bytes | BodyFile) -> Iterator[bytes]:
    if isinstance(body, bytes):
        yield body
        return
    offset = 0
    while offset < body.size_bytes:
        piece = os.pread(body.fd, min(_PIECE_BYTES, body.size_bytes - offset), offset)
        if not piece:
            raise OSError("the file is shorter than its body")
        offset += len(piece)
        yield piece
