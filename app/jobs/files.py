"""Small files in a job's folder: lines, lists of numbers, joined parts; written on the disk threads.

A file is written beside its place and moved there when it is whole, so that what has its name is whole.
"""

from __future__ import annotations

import os
import shutil
from array import array
from bisect import bisect_left
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import TypeVar, TypeVarTuple

from app.storage.files import write_all
from app.storage.scratch import needing
from app.storage.threads import DiskThreads

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_COPY_BYTES = 256 * 1024
_NUMBER_BYTES = 8


class PartFile:
    """A file that grows. Made by `JobFiles.part`."""

    def __init__(self, descriptor: int, disk: DiskThreads) -> None:
        self.descriptor = descriptor
        self._disk = disk

    async def write(self, data: bytes) -> None:
        """Append.

        Raises:
            StorageFull: the disk has no room for it.
        """
        with needing(len(data)):
            await self._disk.run(write_all, self.descriptor, [data])


class JobFiles:
    """Works on the files of jobs."""

    def __init__(self, disk: DiskThreads) -> None:
        self._disk = disk

    @asynccontextmanager
    async def part(self, path: Path) -> AsyncIterator[PartFile]:
        """Give a new file for the block, which is at `path` after it; where the block fails, nothing is."""
        staged = path.with_name(f"{path.name}.part")
        descriptor = await self._disk.run(_create, staged)
        try:
            yield PartFile(descriptor, self._disk)
        except BaseException:
            await self._disk.ensure(_drop, descriptor, staged)
            raise
        await self._disk.ensure(_finish, descriptor, staged, path)

    async def run(self, function: Callable[[*Ts], T], *args: *Ts) -> T:
        """Run what works on files of a job, and blocks, in a thread for that; not for long at a time.

        Raises:
            StorageFull, StorageUnavailable: what the disk said.
        """
        return await self._disk.run(function, *args)

    async def clear(self, folder: Path) -> None:
        """Make a folder, or remove what an earlier try left in it."""
        await self._disk.run(_clear, folder)

    async def exists(self, path: Path) -> bool:
        return await self._disk.run(path.exists)

    async def remove(self, paths: Iterable[Path]) -> None:
        """Remove files; one that is not there is no matter."""
        await self._disk.run(_remove, list(paths))

    async def join(self, parts: Sequence[Path], path: Path) -> None:
        """Write all parts one after the other to `path`.

        Raises:
            StorageFull: the disk has no room for it.
        """
        async with self.part(path) as whole:
            with needing(0):
                await self._disk.run_long(_append_all, whole.descriptor, parts)

    async def text(self, path: Path) -> str:
        """Return what is in a file; empty where there is none."""
        return await self._disk.read(_text, path)

    async def write_numbers(self, path: Path, numbers: Sequence[float]) -> None:
        """Write numbers, in rising order."""
        async with self.part(path) as file:
            await file.write(array("d", numbers).tobytes())

    async def numbers_between(self, path: Path, least: float, most: float) -> tuple[int, array[float]]:
        """Return those with `least` <= number < `most`, and how many come before them; the others are not loaded."""
        return await self._disk.read(_between, path, least, most)


def _create(staged: Path) -> int:
    return os.open(staged, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o600)


def _finish(descriptor: int, staged: Path, path: Path) -> None:
    os.fsync(descriptor)  # that its step is done is written durably, so must be what it made
    os.close(descriptor)
    staged.rename(path)


def _drop(descriptor: int, staged: Path) -> None:
    os.close(descriptor)
    staged.unlink(missing_ok=True)


def _clear(folder: Path) -> None:
    folder.mkdir(mode=0o700, exist_ok=True)
    for path in folder.iterdir():
        path.unlink()


def _remove(paths: list[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


def _append_all(descriptor: int, parts: Sequence[Path]) -> None:
    with open(descriptor, "ab", closefd=False) as whole:
        for part in parts:
            with part.open("rb") as file:
                shutil.copyfileobj(file, whole, _COPY_BYTES)


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except FileNotFoundError:
        return ""


def _between(path: Path, least: float, most: float) -> tuple[int, array[float]]:
    if not path.stat().st_size:
        return 0, array("d")
    with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as pages, memoryview(pages) as raw:
        with raw.cast("d") as numbers:
            first, last = bisect_left(numbers, least), bisect_left(numbers, most)
        return first, array("d", raw[first * _NUMBER_BYTES : last * _NUMBER_BYTES].tobytes())
