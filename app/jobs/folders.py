"""The files of jobs: a folder each, `<root>/jobs/<id>`, whose bytes are promised in the ledger of disk space."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TypeAlias

from app.errors import StorageFull, StorageUnavailable
from app.storage.files import make_folder
from app.storage.space import DiskSpace, SpaceReservation
from app.storage.threads import DiskThreads

PART = ".part"
"""What is in the name of a file that is not whole yet: it goes when its step begins again."""

_EVERY_SECONDS = 5.0

Trace: TypeAlias = tuple[str, int, int]
"""Of a file: its path in the folder, its bytes, and when it was written (ns)."""


class Folders:
    """Makes, measures and removes them."""

    def __init__(self, root: Path, space: DiskSpace, disk: DiskThreads, every_seconds: float = _EVERY_SECONDS) -> None:
        """`root` is where they are, and nothing else whose name begins with a `j`. `every_seconds`: how often they are
        measured while a step is at work."""
        self._every_seconds = every_seconds
        self._root = root
        self._space = space
        self._disk = disk
        self._promises: dict[str, SpaceReservation] = {}

    def path(self, job_id: str) -> Path:
        return self._root / job_id

    @property
    def count(self) -> int:
        """How many jobs have bytes promised."""
        return len(self._promises)

    @property
    def written_bytes(self) -> int:
        """The bytes in all of them, when they were last measured."""
        return sum(promise.written_bytes for promise in self._promises.values())

    async def promise(self, job_id: str, size_bytes: int) -> None:
        """Reserve what the files of a job will take.

        Raises:
            StorageFull: there is no room for them.
        """
        promise = self._space.open("")
        await promise.promise(size_bytes)
        self._promises[job_id] = promise

    async def restore(self, job_id: str, size_bytes: int) -> None:
        """Enter what a job of an earlier run has written, and what it was promised, as far as there is room."""
        if job_id in self._promises:
            self._promises.pop(job_id).release()
        written_bytes = await self._disk.read(_size, self.path(job_id))
        promise = self._promises[job_id] = self._space.restore(written_bytes)
        with suppress(StorageFull):
            await promise.promise(size_bytes)

    async def begin(self, job_id: str) -> Path:
        """Make the folder, remove what a step that was broken off has left in it, and return its path."""
        await self._disk.run_long(_prepare, self.path(job_id))
        return self.path(job_id)

    async def measure(self, job_id: str) -> None:
        """Count what is in the folder now.

        Raises:
            StorageFull: that is more than was promised, and there is no room for it.
        """
        promise = self._promises.get(job_id)
        if promise is None:
            return
        size_bytes = await self._disk.read(_size, self.path(job_id))
        more_bytes = size_bytes - promise.written_bytes
        if more_bytes > 0:
            await promise.count(more_bytes)
        elif more_bytes < 0:
            promise.uncount(-more_bytes)

    @asynccontextmanager
    async def measured(self, job_id: str) -> AsyncIterator[None]:
        """Count what is in the folder every few seconds of the block, and at its end: no run writes for minutes what
        nobody knows of.

        Raises:
            StorageFull: see `measure`; the block is broken off.
        """
        try:
            async with asyncio.TaskGroup() as tasks:
                measuring = tasks.create_task(self._measure_on(job_id))
                yield
                measuring.cancel()
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None
        await self.measure(job_id)

    async def _measure_on(self, job_id: str) -> None:
        while True:
            await asyncio.sleep(self._every_seconds)
            with suppress(StorageUnavailable):  # who writes there will be told
                await self.measure(job_id)

    def handed_over(self, job_id: str, size_bytes: int) -> None:
        """A result of so many bytes is an item now, which counts for itself."""
        if job_id in self._promises:
            self._promises[job_id].give_back(size_bytes)

    def settle(self, job_id: str) -> None:
        """Give back what was promised and not written: for now nobody works on it."""
        if job_id in self._promises:
            self._promises[job_id].settle()

    async def remove(self, job_id: str) -> None:
        """Remove the folder and give back its bytes; does nothing the second time."""
        try:
            await self._disk.ensure(_remove, self.path(job_id))
        finally:
            if (promise := self._promises.pop(job_id, None)) is not None:
                promise.release()

    async def traces(self, job_id: str) -> frozenset[Trace]:
        """Return what is in the folder: what differs later was made or written meanwhile."""
        return await self._disk.read(_traces, self.path(job_id))

    async def names(self) -> list[str]:
        """Return the jobs that have a folder."""
        return await self._disk.read(_names, self._root)


def _size(folder: Path) -> int:
    """Runs in a thread: return the bytes of all files below a folder."""
    size_bytes = 0
    for path, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                size_bytes += (Path(path) / name).lstat().st_size
    return size_bytes


def _traces(folder: Path) -> frozenset[Trace]:
    found = set()
    for path, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                stat = (Path(path) / name).lstat()
                found.add((str((Path(path) / name).relative_to(folder)), stat.st_size, stat.st_mtime_ns))
    return frozenset(found)


def _prepare(folder: Path) -> None:
    make_folder(folder, synced=False)
    for path, _, names in os.walk(folder):
        for name in names:
            if PART in name:
                (Path(path) / name).unlink(missing_ok=True)


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def _names(root: Path) -> list[str]:
    try:
        return [folder.name for folder in root.iterdir() if folder.name.startswith("j") and folder.is_dir()]
    except FileNotFoundError:
        return []
