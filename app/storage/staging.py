"""Uploads that come in over many requests: each a file on the local disk that survives a restart, with its state.

    <root>/staging/<id>.part   the bytes so far: the length of the file is how far the upload has come
    <root>/staging/<id>.json   what is known about it (`stage`), replaced in one step by a rename

The ledger of disk space knows what is promised to an upload, and what is written of it, from its creation on.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from app.errors import NotFound
from app.storage.appender import Appender, Hash
from app.storage.files import create, full_disk, replace, sync, unlink, write_all
from app.storage.space import DiskSpace
from app.storage.stage import Stage, StageState, decode, encode, new_hash, new_stage_id
from app.storage.threads import DiskThreads
from app.storage.writer import Digest

logger = logging.getLogger("ballast.storage")

SLICE_BYTES = 64 * 1024 * 1024
"""How much is read back or joined in one visit to a thread: between two of them a task can be cancelled."""

_READ_BYTES = 1024 * 1024


class Staging:
    """Keeps unfinished uploads, and remembers finished ones for a while. Lives on the event loop: no locks.

    Nothing here keeps two requests from working on one upload: callers do (`UploadLocks`).
    """

    def __init__(self, folder: Path, disk: DiskThreads, space: DiskSpace, digest: Digest, *, synced: bool) -> None:
        self._folder = folder
        self._disk = disk
        self._space = space
        self._digest = digest
        self._synced = synced
        self._stages: dict[str, Stage] = {}

    async def open(self) -> None:
        """Find the uploads of an earlier run; remove what belongs to none."""
        for state, size_bytes, touched_at in await self._disk.run_long(self._load):
            stage = Stage(state, size_bytes, touched_at)
            if not stage.finished:
                stage.reservation = self._space.restore(state.length or 0, size_bytes)
                stage.sha256 = new_hash("sha256") if self._digest == "sha256" and not size_bytes else None
            self._stages[state.id] = stage

    async def create(self, length: int | None, name: str | None, metadata: str, concat: str) -> Stage:
        """Begin an upload of `length` bytes (None: not known yet); the space is promised to it at once.

        Raises:
            StorageFull: there is no room for it.
        """
        reservation = await self._space.reserve(length)
        try:
            state = StageState(new_stage_id(), length, name, metadata, concat)
            with full_disk():
                await self._disk.run(self._create, state)
        except BaseException:
            reservation.release()
            raise
        stage = Stage(state, 0, time.time(), reservation)
        stage.sha256 = new_hash("sha256") if self._digest == "sha256" else None
        self._stages[state.id] = stage
        return stage

    def find(self, stage_id: str) -> Stage:
        """Return an upload.

        Raises:
            NotFound: there is none, or it has expired.
        """
        try:
            return self._stages[stage_id]
        except KeyError:
            raise NotFound("There is no upload with this id; it may have expired.") from None

    def __iter__(self) -> Iterator[Stage]:
        return iter(tuple(self._stages.values()))

    @property
    def unfinished(self) -> int:
        return sum(not stage.finished for stage in self._stages.values())

    async def save(self, stage: Stage) -> None:
        """Make the changes in `stage.state` survive a restart.

        Raises:
            StorageFull: there is no room for it.
        """
        with full_disk():
            await self._disk.run(self._write_state, stage.state)

    def appender(self, stage: Stage, digests: Iterable[Hash] = ()) -> Appender:
        """Return what appends to the bytes that are there; the owner closes it and then calls `set_size`."""
        assert stage.reservation is not None
        own = () if stage.sha256 is None else (stage.sha256,)
        return Appender(
            self.path(stage),
            self._disk,
            stage.reservation.count,
            (*own, *digests),
            synced=self._synced,
            start_bytes=stage.size_bytes,
        )

    async def set_size(self, stage: Stage, size_bytes: int) -> None:
        """Set how far the upload has come; bytes in the file beyond that are cut off."""
        assert stage.reservation is not None
        stage.touched_at = time.time()
        beyond_bytes = stage.reservation.written_bytes - size_bytes
        if beyond_bytes > 0:
            await self._disk.run(os.truncate, self.path(stage), size_bytes)
            stage.reservation.uncount(beyond_bytes)
        stage.size_bytes = size_bytes

    async def head(self, stage: Stage, size_bytes: int) -> bytes:
        """Return the first bytes."""
        return await self._disk.run(_read_head, self.path(stage), size_bytes)

    async def digest(self, stage: Stage) -> str | None:
        """Return the SHA-256 of the whole file, read back if it is not known any more; None if none is wanted."""
        if self._digest == "none":
            return None
        if stage.sha256 is None:
            sha256 = new_hash("sha256")
            for offset in range(0, stage.size_bytes, SLICE_BYTES):
                await self._disk.run_long(_feed, self.path(stage), offset, sha256)
            stage.sha256 = sha256
        return stage.sha256.hexdigest()

    async def join(self, parts: Iterable[Stage], whole: Stage) -> None:
        """Append the bytes of `parts` to `whole`, one after the other.

        Raises:
            StorageFull: there is no room for them.
        """
        assert whole.reservation is not None
        digests = () if whole.sha256 is None else (whole.sha256,)
        for part in parts:
            for offset in range(0, part.size_bytes, SLICE_BYTES):
                count = min(SLICE_BYTES, part.size_bytes - offset)
                await whole.reservation.count(count)
                with full_disk():
                    await self._disk.run_long(_copy, self.path(part), offset, count, self.path(whole), digests)
        if self._synced:
            await self._disk.run_long(sync, self.path(whole))
        await self.set_size(whole, whole.reservation.written_bytes)

    async def finish(self, stage: Stage) -> None:
        """Forget the bytes: they have become an item, whose id is in the state."""
        await self.save(stage)
        await self._disk.run_long(unlink, self.path(stage))
        stage.release()

    async def remove(self, stage: Stage) -> None:
        """Remove an upload and everything that is known about it."""
        if self._stages.pop(stage.state.id, None) is None:
            return
        state_path = self.path(stage).with_suffix(".json")
        await self._disk.run_long(unlink, state_path)
        await self._disk.run_long(unlink, self.path(stage))
        stage.release()

    def path(self, stage: Stage) -> Path:
        return self._folder / f"{stage.state.id}.part"

    def _create(self, state: StageState) -> None:
        path = self._folder / f"{state.id}.part"
        create(path)
        try:
            self._write_state(state)
        except BaseException:
            unlink(path)
            raise

    def _write_state(self, state: StageState) -> None:
        path = self._folder / f"{state.id}.json"
        replace(path, encode(state), path.with_suffix(".new"), self._synced)

    def _load(self) -> list[tuple[StageState, int, float]]:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found: dict[str, tuple[StageState, int, float]] = {}
        for path in self._folder.glob("*.json"):
            with suppress(FileNotFoundError, ValueError):
                state = decode(path.read_bytes())
                found[state.id] = (state, *self._part(state, path))
        for path in self._folder.iterdir():
            known = found.get(path.stem)
            if known is None or path.suffix == ".new" or (path.suffix == ".part" and known[0].media_id is not None):
                logger.warning("removed what is left of an upload", extra={"file": path.name})
                unlink(path)
        return list(found.values())

    def _part(self, state: StageState, state_path: Path) -> tuple[int, float]:
        """Return how many bytes there are and when the last came; bytes whose checksum never came are cut off."""
        if state.media_id is not None:
            return state.length or 0, state_path.stat().st_mtime
        path = self._folder / f"{state.id}.part"
        status = path.stat()
        kept_bytes = min(size for size in (status.st_size, state.held_bytes, state.length) if size is not None)
        if kept_bytes < status.st_size:
            os.truncate(path, kept_bytes)
        return kept_bytes, status.st_mtime


def _read_head(path: Path, size_bytes: int) -> bytes:
    with path.open("rb") as file:
        return file.read(size_bytes)


def _feed(path: Path, offset: int, sha256: Hash) -> None:
    """Let a digest see the slice that begins at `offset`."""
    with path.open("rb", buffering=0) as file:
        file.seek(offset)
        left = SLICE_BYTES
        while left and (data := file.read(min(_READ_BYTES, left))):
            sha256.update(data)
            left -= len(data)


def _copy(source: Path, offset: int, count: int, target: Path, digests: tuple[Hash, ...]) -> None:
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
