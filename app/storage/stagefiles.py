"""The files of resumable uploads. Every call here blocks: they run in threads (`DiskThreads`).

<root>/staging/<id>.part   the bytes so far: the length of the file is how far the upload has come
<root>/staging/<id>.json   what is known about it (`stage`), replaced in one step by a rename
"""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from pathlib import Path

from app.storage.appender import Hash
from app.storage.blocks import trim
from app.storage.files import create, make_folder, replace, unlink, write_all
from app.storage.stage import FINAL, StageState, decode, encode

logger = logging.getLogger("ballast.storage")

SLICE_BYTES = 64 * 1024 * 1024
"""How much is read back or joined in one visit to a thread: between two of them a task can be cancelled."""

_READ_BYTES = 1024 * 1024

_BLOCK_BYTES = 512  # of st_blocks, whatever the file system's own are (stat(2))


class StageFiles:
    """Makes, finds and removes them. Where `synced`, the state survives a power cut."""

    def __init__(self, folder: Path, *, synced: bool) -> None:
        self._folder = folder
        self.synced = synced

    def bytes_path(self, stage_id: str) -> Path:
        return self._folder / f"{stage_id}.part"

    def create(self, state: StageState) -> None:
        """Make the files of a new upload; what fails leaves none."""
        try:
            create(self.bytes_path(state.id))
            self.write_state(state)
        except BaseException:
            self.remove(state.id)
            raise

    def write_state(self, state: StageState) -> None:
        path = self._state_path(state.id)
        replace(path, encode(state), path.with_suffix(".new"), self.synced)

    def remove(self, stage_id: str) -> None:
        unlink(self._state_path(stage_id))
        unlink(self.bytes_path(stage_id))

    def load(self) -> list[tuple[StageState, int]]:
        """Return the uploads of an earlier run and how many bytes each has; remove what belongs to none."""
        make_folder(self._folder, self.synced)
        found: dict[str, tuple[StageState, int]] = {}
        for path in self._folder.glob("*.json"):
            with suppress(FileNotFoundError, ValueError):
                state = decode(path.read_bytes())
                size_bytes = self._size_bytes(state)
                if state.concat != FINAL or size_bytes == state.length:  # else killed while it was joined
                    found[state.id] = (state, size_bytes)
        for path in self._folder.iterdir():
            known = found.get(path.stem)
            if known is None or path.suffix == ".new" or (path.suffix == ".part" and known[0].media_id is not None):
                logger.warning("removed what is left of an upload", extra={"file": path.name})
                unlink(path)
        return list(found.values())

    def _state_path(self, stage_id: str) -> Path:
        return self._folder / f"{stage_id}.json"

    def _size_bytes(self, state: StageState) -> int:
        """Return how many bytes there are; those whose checksum never came are cut off, and blocks beyond the end."""
        if state.media_id is not None:
            return state.length or 0
        path = self.bytes_path(state.id)
        there_bytes = path.stat().st_size
        kept_bytes = min(size for size in (there_bytes, state.held_bytes, state.length) if size is not None)
        if kept_bytes < there_bytes or _has_spare_blocks(path):
            os.truncate(path, kept_bytes)
        return kept_bytes


def secure(path: Path, synced: bool) -> None:
    """Give back the blocks beyond the end of a file; where `synced`, have what is in it survive a power cut."""
    fd = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        trim(fd)
        if synced:
            os.fdatasync(fd)
    finally:
        os.close(fd)


def _has_spare_blocks(path: Path) -> bool:
    """Whether more was allocated for a file than its bytes take: a run that was killed had begun to write more."""
    state = path.stat()
    return state.st_blocks * _BLOCK_BYTES >= state.st_size + 2 * state.st_blksize


def read_head(path: Path, size_bytes: int) -> bytes:
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
