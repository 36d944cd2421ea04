"""Temporary files: every one is tracked with its source, and gone when its block ends, at shutdown, or at next boot."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from app.errors import BallastError
from app.storage.files import create, unlink
from app.storage.threads import DiskThreads

logger = logging.getLogger("ballast.storage")


@dataclass(frozen=True, slots=True)
class SourceStatistics:
    count: int
    total_bytes: int


@dataclass(frozen=True, slots=True)
class TempFileStatistics:
    """How many temporary files there are and the bytes in them, in all and by source."""

    count: int
    total_bytes: int
    by_source: dict[str, SourceStatistics]


@dataclass(slots=True)
class TempFile:
    """One tracked file. Whoever writes it keeps `size_bytes` true; `TempFiles.measure` asks the disk instead.

    `is_reserved` says that its bytes are in the ledger of disk space before they are written (`scratch`).
    """

    path: Path
    source: str
    size_bytes: int = 0
    is_reserved: bool = False


class TempFiles:
    """Makes, counts and removes temporary files below one folder, which holds nothing else."""

    def __init__(self, folder: Path, disk: DiskThreads) -> None:
        self._folder = folder
        self._disk = disk
        self._tracked: dict[Path, TempFile] = {}

    async def open(self) -> int:
        """Make the folder, remove what a killed run left in it, and return how many files that were."""
        removed = await self._disk.run_long(self._sweep)
        if removed:
            logger.warning("removed temporary files of an earlier run", extra={"count": removed})
        return removed

    @asynccontextmanager
    async def file(self, source: str, suffix: str = "") -> AsyncIterator[TempFile]:
        """Give a new empty file (mode 0600) for the block; afterwards it is gone, unless it was moved.

        `source` says who makes it (`upload`, `clip`...): files are counted by it.
        """
        temp_file = TempFile(self._folder / f"{source}-{secrets.token_hex(12)}{suffix}", source)
        creating = self._disk.start(create, temp_file.path)
        self._tracked[temp_file.path] = temp_file
        try:
            await self._disk.settle(creating)
            yield temp_file
        finally:
            if creating.future.done():
                await self.remove(temp_file)
            else:  # it hangs: what it makes in the end is removed after that
                del self._tracked[temp_file.path]
                self._disk.after(creating, unlink, temp_file.path)

    async def remove(self, temp_file: TempFile) -> None:
        """Remove a file before its block ends. A failure is logged and tried again by `aclose`."""
        if self._tracked.pop(temp_file.path, None) is None:
            return
        try:
            await self._disk.ensure(unlink, temp_file.path)
        except (OSError, BallastError) as error:
            self._tracked[temp_file.path] = temp_file
            logger.error("a temporary file stays behind", extra={"source": temp_file.source, "error": str(error)})

    async def measure(self) -> None:
        """Ask the disk for the size of every tracked file: for those that other programs write."""
        sizes = await self._disk.read(_sizes, tuple(self._tracked))
        for path, size_bytes in sizes.items():
            if (temp_file := self._tracked.get(path)) is not None:
                temp_file.size_bytes = size_bytes

    def statistics(self) -> TempFileStatistics:
        """Return the counts; no system call is made."""
        counts: Counter[str] = Counter()
        sizes: Counter[str] = Counter()
        for temp_file in self._tracked.values():
            counts[temp_file.source] += 1
            sizes[temp_file.source] += temp_file.size_bytes
        by_source = {source: SourceStatistics(counts[source], sizes[source]) for source in sorted(counts)}
        return TempFileStatistics(counts.total(), sizes.total(), by_source)

    @property
    def unreserved_bytes(self) -> int:
        """The bytes in files that nobody reserved: those that other programs write."""
        return sum(temp_file.size_bytes for temp_file in self._tracked.values() if not temp_file.is_reserved)

    async def aclose(self) -> None:
        """Remove everything that is still tracked."""
        await asyncio.gather(*map(self.remove, tuple(self._tracked.values())))

    def _sweep(self) -> int:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        removed = 0
        for path in self._folder.iterdir():
            with suppress(OSError):
                path.unlink()
                removed += 1
        return removed


def _sizes(paths: tuple[Path, ...]) -> dict[Path, int]:
    sizes: dict[Path, int] = {}
    for path in paths:
        with suppress(OSError):
            sizes[path] = path.stat().st_size
    return sizes
