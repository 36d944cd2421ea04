"""Appending to one file on the local disk while the next bytes come in; every call that may block runs in a thread."""

from __future__ import annotations

import asyncio
import ctypes
import os
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from app.domain.media import Chunk
from app.storage.files import full_disk, write_all
from app.storage.threads import DiskThreads, finish

BATCH_BYTES = 128 * 1024
"""How much of small pieces is handed to a thread at a time: enough that the hop costs little, little enough for many
uploads. A larger piece goes alone."""

BATCH_CHUNKS = 256
"""The most pieces in a batch (`IOV_MAX` is 1024), so that a flood of tiny ones is not kept."""

WRITE_BACK_BYTES = 8 * 1024 * 1024
"""How much is written before the kernel is asked to start bringing it to the disk."""

ALLOCATED_BYTES = 8 * 1024 * 1024
"""How many bytes of blocks are allocated at a time, once more than a batch has come."""

_FALLOC_FL_KEEP_SIZE = 1  # linux/falloc.h
_SYNC_FILE_RANGE_WRITE = 2  # sync_file_range(2): start write-out of dirty pages, do not wait for it


class Hash(Protocol):
    """What `hashlib` makes."""

    def update(self, data: Chunk, /) -> None: ...
    def copy(self) -> Hash: ...
    def digest(self) -> bytes: ...
    def hexdigest(self) -> str: ...


class Appender:
    """Writes a file from `start_bytes` on.

    At most one batch is being written and one collected, so a slow disk slows the client down and memory stays flat.
    Where `synced`, the kernel starts to bring the bytes to the disk long before `sync` waits for the last of them.
    """

    def __init__(
        self,
        path: Path,
        disk: DiskThreads,
        count: Callable[[int], Awaitable[None]],
        digests: Sequence[Hash],
        *,
        synced: bool,
        start_bytes: int = 0,
    ) -> None:
        """`count` is told how many bytes are about to be written, and may refuse; `digests` are fed with them."""
        self._path = path
        self._disk = disk
        self._count = count
        self._digests = tuple(digests)
        self._synced = synced
        self._fd = -1
        self._batch: list[Chunk] = []
        self._batch_bytes = 0
        self._in_flight: asyncio.Future[None] | None = None
        self.start_bytes = start_bytes
        self._flushed_to = start_bytes
        self._allocated_to = start_bytes
        self.size_bytes = start_bytes
        self.written_bytes = start_bytes

    async def write(self, chunk: Chunk) -> None:
        """Take the next bytes. They are kept without a copy until they are written: do not change them.

        Raises:
            StorageFull: there is no room for them.
        """
        self._batch.append(chunk)
        self._batch_bytes += len(chunk)
        self.size_bytes += len(chunk)
        if self._batch_bytes >= BATCH_BYTES or len(self._batch) >= BATCH_CHUNKS:
            await self._hand_over()

    async def flush(self) -> None:
        """Write everything that was taken.

        Raises:
            StorageFull: there is no room for it.
        """
        if self._batch:
            await self._hand_over()
        await self._wait_for_write()

    async def sync(self) -> None:
        """Write everything, and where syncing is on, wait until it is on the disk.

        Raises:
            StorageFull: there is no room for it.
        """
        await self.flush()
        if self._synced and self._fd >= 0:
            with full_disk():
                await self._disk.run_long(self._sync)

    async def aclose(self) -> None:
        """Wait for the thread and close the file, whatever happened; what is not flushed is dropped."""
        try:
            if self._in_flight is not None:
                with suppress(OSError):
                    await finish(self._in_flight)
        finally:
            if self._fd >= 0:
                await self._disk.run(self._close)

    async def _hand_over(self) -> None:
        """Let a thread write the batch, once the one before it is written."""
        batch, batch_bytes = self._batch, self._batch_bytes
        self._batch, self._batch_bytes = [], 0
        await self._wait_for_write()
        await self._count(batch_bytes)
        self._in_flight = self._disk.start(self._write_batch, batch)

    async def _wait_for_write(self) -> None:
        if self._in_flight is not None:
            in_flight, self._in_flight = self._in_flight, None
            with full_disk():
                await finish(in_flight)

    def _write_batch(self, batch: list[Chunk]) -> None:
        """Runs in a thread. The chunks are written as they came, without a copy."""
        if self._fd < 0:
            self._fd = os.open(self._path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            os.lseek(self._fd, self.start_bytes, os.SEEK_SET)
        batch_bytes = sum(map(len, batch))
        self._allocate(batch_bytes)
        write_all(self._fd, batch)
        for digest in self._digests:
            for chunk in batch:
                digest.update(chunk)
        self.written_bytes += batch_bytes
        if self._synced and self.written_bytes - self._flushed_to >= WRITE_BACK_BYTES:
            begin_write_back(self._fd, self._flushed_to, self.written_bytes - self._flushed_to)
            self._flushed_to = self.written_bytes

    def _allocate(self, batch_bytes: int) -> None:
        """Runs in a thread."""
        end = self.written_bytes + batch_bytes
        if batch_bytes >= BATCH_BYTES and end > self._allocated_to:
            begin = max(self.written_bytes, self._allocated_to)
            self._allocated_to = begin + max(ALLOCATED_BYTES, end - begin)
            allocate(self._fd, begin, self._allocated_to - begin)

    def _sync(self) -> None:
        """Runs in a thread. Blocks may also have been allocated by a run that was killed before this one."""
        trim(self._fd)
        self._allocated_to = self.written_bytes
        os.fdatasync(self._fd)

    def _close(self) -> None:
        """Runs in a thread."""
        if self._allocated_to > self.written_bytes:
            trim(self._fd)
        os.close(self._fd)


def allocate(fd: int, offset: int, size_bytes: int) -> None:
    """Give a file its blocks before they are written (fallocate(2)); its size stays as it is.

    Writing into blocks that are there costs half the CPU time on ext4 (`python -m benchmarks.upload`), and they lie
    together. A failure means nothing: less may be needed than is asked for, so only the write itself tells of a full
    disk. Where there is no such call, nothing happens.
    """
    if _fallocate is not None:
        _fallocate(fd, _FALLOC_FL_KEEP_SIZE, offset, size_bytes)


def trim(fd: int) -> None:
    """Give back the blocks that were allocated beyond the end of the file."""
    with suppress(OSError):
        os.ftruncate(fd, os.fstat(fd).st_size)


def begin_write_back(fd: int, offset: int, size_bytes: int) -> None:
    """Ask the kernel to start writing these bytes to the disk (sync_file_range(2)), if it can, and do not wait."""
    if _sync_file_range is not None:
        _sync_file_range(fd, offset, size_bytes, _SYNC_FILE_RANGE_WRITE)


def _find(name: str, *types: type) -> Callable[..., int] | None:
    """Return a function of the C library with these arguments, None where there is no such function."""
    try:
        function = getattr(ctypes.CDLL(None), name)
    except (AttributeError, OSError, TypeError):
        return None
    function.argtypes = types
    function.restype = ctypes.c_int
    found: Callable[..., int] = function
    return found


_fallocate = _find("fallocate", ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
_sync_file_range = _find("sync_file_range", ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
