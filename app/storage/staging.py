"""Uploads that come in over many requests: each a file on the local disk that survives a restart, with its state.

The ledger of memory has what is known of each of them (`records`), that of disk space what is written of it, and while
a request brings more a step ahead of that: nothing is promised to who only says that bytes will come.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from app.storage.ages import Age, Ages
from app.storage.appender import Appender, Hash
from app.storage.files import unlink
from app.storage.records import StageRecords
from app.storage.space import DiskSpace
from app.storage.stage import FINAL, Stage, StageState, new_hash
from app.storage.stagefiles import SLICE_BYTES, StageFiles, copy, feed, read_head, secure
from app.storage.threads import DiskThreads, finish
from app.storage.writer import Digest


class Staging:
    """Keeps unfinished uploads, and remembers finished ones for a while. Lives on the event loop: no locks.

    Nothing here keeps two requests from working on one upload: callers do (`UploadLocks`).
    """

    def __init__(
        self, files: StageFiles, disk: DiskThreads, space: DiskSpace, records: StageRecords, ages: Ages, digest: Digest
    ) -> None:
        """Where the `digest` is `sha256`, that of each upload is taken while its bytes come in."""
        self._files = files
        self._disk = disk
        self._space = space
        self._records = records
        self._ages = ages
        self._digest = digest
        self._has_ages = False
        self.find = records.find
        self.now = ages.clock

    async def open(self) -> None:
        """Find the uploads of an earlier run; remove what belongs to none."""
        ages = await self._disk.run_long(self._ages.read)
        self._has_ages = bool(ages)
        now = self.now()
        stages: dict[str, Stage] = {}
        for state, size_bytes in await self._disk.run_long(self._files.load):
            age = ages.get(state.id)
            seconds = age.seconds if age is not None and age.size_bytes == size_bytes else 0.0
            stages[state.id] = stage = Stage(state, size_bytes, now - seconds)
            if not stage.finished:
                stage.reservation = self._space.restore(size_bytes, state.client)
                stage.sha256 = self._new_digest() if not size_bytes else None
        for stage in stages.values():
            for part_id in stage.state.part_ids:
                if part_id in stages:
                    stages[part_id].joined_into = stage.state.id
        self._records.open(stages.values())

    async def aclose(self) -> None:
        """Keep what survives a restart, and give the memory back."""
        await self.keep_ages()
        self._records.aclose()

    async def create(self, state: StageState) -> Stage:
        """Begin an upload; it is among the others at once, so that whoever counts them counts it.

        Raises:
            StorageFull: there would be no room for it now. None is promised to it before its bytes come.
            Overloaded: memory has no room for what is to be known of it.
        """
        creating = None
        stage = Stage(state, 0, self.now(), self._space.open(state.client), self._new_digest())
        self._records.add(stage)
        try:
            await self._space.check(state.length or 1)
            creating = self._disk.start(self._files.create, state)
            await self._disk.settle(creating)
        except BaseException:
            if creating is not None and not creating.future.done():
                self._disk.after(creating, self._files.remove, state.id)
            await self.remove(stage)
            raise
        return stage

    def __iter__(self) -> Iterator[Stage]:
        return iter(self._records)

    async def save(self, stage: Stage) -> None:
        """Make the changes in `stage.state` survive a restart.

        Raises:
            StorageFull: there is no room for it.
        """
        await self._disk.run(self._files.write_state, stage.state)

    async def keep_ages(self) -> None:
        """Make the ages survive a restart; call it now and then."""
        now = self.now()
        ages = {stage.state.id: Age(max(0.0, now - stage.touched_at), stage.size_bytes) for stage in self}
        if ages or self._has_ages:
            await self._disk.ensure(self._ages.write, ages)
            self._has_ages = bool(ages)

    async def check_room(self, stage: Stage, length: int) -> None:
        """Make sure that an upload of `length` would fit now; nothing is promised to it.

        Raises:
            StorageFull: it would not.
        """
        await self._space.check(length - stage.size_bytes)

    def appender(self, stage: Stage, digests: Iterable[Hash] = ()) -> Appender:
        """Return what appends to the bytes that are there; the owner closes it and then calls `set_size`."""
        assert stage.reservation is not None
        own = () if stage.sha256 is None else (stage.sha256,)
        return Appender(
            self.path(stage),
            self._disk,
            stage.reservation.count,
            (*own, *digests),
            synced=self._files.synced,
            start_bytes=stage.size_bytes,
        )

    async def set_size(self, stage: Stage, size_bytes: int, *, is_secured: bool) -> None:
        """Set how far the upload has come; bytes in the file beyond that are cut off, and no more is promised for now.

        `is_secured` says what is known of the bytes (`Stage`). It has come no further, and does not live longer, where
        none of the bytes that came is kept.
        """
        assert stage.reservation is not None
        if size_bytes > stage.size_bytes:
            stage.touched_at = self.now()
        beyond_bytes = stage.reservation.written_bytes - size_bytes
        stage.is_secured = is_secured and beyond_bytes <= 0
        if beyond_bytes > 0:
            await self._disk.run(os.truncate, self.path(stage), size_bytes)
            stage.reservation.uncount(beyond_bytes)
        stage.reservation.settle()
        stage.size_bytes = size_bytes

    async def secure(self, stage: Stage) -> None:
        """Make sure that what is there survives a power cut and takes no more blocks than it needs.

        That is so already, unless a run was killed in between or the disk failed: what it left is not believed.

        Raises:
            StorageFull, StorageUnavailable, OSError: the disk did not take it.
        """
        if not stage.is_secured:
            await self._disk.run_long(secure, self.path(stage), self._files.synced)
            stage.is_secured = True

    async def head(self, stage: Stage, size_bytes: int) -> bytes:
        """Return the first bytes."""
        return await self._disk.read(read_head, self.path(stage), size_bytes)

    async def digest(self, stage: Stage) -> str | None:
        """Return the SHA-256 of the whole file, read back if it is not known any more; None if none is wanted."""
        if self._digest == "none":
            return None
        if stage.sha256 is None:
            sha256 = new_hash("sha256")
            for offset in range(0, stage.size_bytes, SLICE_BYTES):
                await self._disk.run_long(feed, self.path(stage), offset, sha256)
            stage.sha256 = sha256
        return stage.sha256.hexdigest()

    async def join(self, parts: Sequence[Stage], whole: Stage) -> None:
        """Append the bytes of `parts` to `whole`, one after the other.

        Raises:
            StorageFull: there is no room for them.
        """
        assert whole.reservation is not None
        assert whole.state.concat == FINAL
        await whole.reservation.promise(sum(part.size_bytes for part in parts))
        digests = () if whole.sha256 is None else (whole.sha256,)
        for part in parts:
            for offset in range(0, part.size_bytes, SLICE_BYTES):
                count = min(SLICE_BYTES, part.size_bytes - offset)
                await whole.reservation.count(count)
                await self._disk.run_long(copy, self.path(part), offset, count, self.path(whole), digests)
        await self.set_size(whole, whole.reservation.written_bytes, is_secured=False)
        await self.secure(whole)

    async def finish(self, stage: Stage) -> None:
        """Forget the bytes: they have become an item, whose id is in the state. Never cancelled halfway."""
        await finish(self._finish(stage))

    async def remove(self, stage: Stage) -> None:
        """Remove an upload and everything that is known about it. Never cancelled halfway."""
        if self._records.discard(stage):
            await finish(self._remove(stage))

    def path(self, stage: Stage) -> Path:
        return self._files.bytes_path(stage.state.id)

    async def _finish(self, stage: Stage) -> None:
        try:
            await self.save(stage)
        finally:  # where that failed, the planned id tells of the item
            await self._disk.run_long(unlink, self.path(stage))
            stage.release()

    async def _remove(self, stage: Stage) -> None:
        try:
            await self._disk.run_long(self._files.remove, stage.state.id)
        finally:
            stage.release()

    def _new_digest(self) -> Hash | None:
        return new_hash("sha256") if self._digest == "sha256" else None
