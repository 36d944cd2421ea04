"""Plain calls on files of the local disk, all of which block: they run in threads (`DiskThreads`), which also turn the
system's errors into ours."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from app.domain.media import Chunk


def create(path: Path) -> None:
    """Make an empty file that only our user may read.

    Raises:
        FileExistsError: there is one.
    """
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))


def unlink(path: Path) -> None:
    """Remove a file, if it is there."""
    path.unlink(missing_ok=True)


def write_all(fd: int, chunks: Sequence[Chunk]) -> None:
    """Write every byte: `writev` may take only some of them, most often when the disk is nearly full."""
    rest = chunks
    while rest:
        written = os.writev(fd, rest)
        at = 0
        while at < len(rest) and written >= len(rest[at]):
            written -= len(rest[at])
            at += 1
        rest = rest[at:]
        if written:
            rest = [memoryview(rest[0])[written:], *rest[1:]]


def replace(path: Path, data: bytes, draft: Path, synced: bool) -> None:
    """Write a file whole: after a crash it is the old one (or none) or the new one.

    `draft` is where the bytes are written first, on the same file system. Where `synced`, they survive a power cut.
    """
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        write_all(fd, [data])
        if synced:
            os.fsync(fd)
    finally:
        os.close(fd)
    draft.rename(path)
    if synced:
        sync(path.parent)


def make_folder(folder: Path, synced: bool) -> None:
    """Make a folder and those above it, if they are not there. Where `synced`, they survive a power cut."""
    if folder.is_dir():
        return
    if not folder.parent.is_dir():
        make_folder(folder.parent, synced)
    folder.mkdir(mode=0o700, exist_ok=True)
    if synced:
        sync(folder.parent)


def sync(path: Path) -> None:
    """Make the bytes of a file, or the names in a folder, survive a power cut."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
