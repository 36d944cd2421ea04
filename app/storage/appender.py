"""Appending to one file on the local disk while the next bytes come in; every call that may block runs in a thread."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol, TypeVarTuple

from app.domain.media import Chunk
from app.errors import BallastError
from app.storage.blocks import allocate, begin_write_back, trim, write_out
from app.storage.files import write_all
from app.storage.lane import Call
from app.storage.threads import DiskThreads

BATCH_BYTES = 128 * 1024
"""How much of small pieces is handed to a thread at a time: enough that the hop costs little, little enough for many
uploads. A larger piece goes alone."""

BATCH_CHUNKS = 256
"""The most pieces in a batch (`IOV_MAX` is 1024), so that a flood of tiny ones is not kept."""

WRITE_BACK_BYTES = 8 * 1024 * 1024
"""How much is written before the kernel is asked to start bringing it to the disk."""

ALLOCATED_BYTES = 8 * 1024 * 1024
"""How many bytes of blocks are allocated at a time, once more than a batch has come."""

SYNC_BYTES = 64 * 1024 * 1024
"""How much a long call writes out at most: such a call that does not end says that
the disk hangs, and not only that it is slow."""

Ts = TypeVarTuple("Ts")


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
        self._in_flight: Call[None] | None = None
        self.start_bytes = start_bytes
        self._flushed_to = start_bytes
        self._written_out_to = start_bytes
        self._allocated_to = start_bytes
        self.size_bytes = start_bytes
        self.written_bytes = start_bytes
        self._synced_to = -1
        self._sync_failed = False

    @property
    def is_secured(self) -> bool:
        """Whether all that was written survives a power cut, and no more blocks are allocated than it needs."""
        return self._synced_to == self.written_bytes

    @property
    def kept_bytes(self) -> int:
        """How much of the file can be believed: a disk that failed to sync may have dropped what was written.

        The kernel says that only once, and calls those pages clean afterwards (fsync(2)): asking again would not help.
        """
        return self.start_bytes if self._sync_failed else self.written_bytes

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
        if not self._synced or self._fd < 0:
            return
        while self.written_bytes - self._written_out_to > SYNC_BYTES:
            await self._do_long(self._write_out, self._written_out_to + SYNC_BYTES)
        await self._do_long(self._sync)

    async def aclose(self) -> None:
        """Wait for the thread and close the file, whatever happened; what is not flushed is dropped.

        Where the thread hangs, the file is closed when it has ended: never under its hands.
        """
        try:
            with suppress(OSError, BallastError):
                await self._wait_for_write()
        finally:
            if self._in_flight is not None:
                self._disk.after(self._in_flight, self._close)
            elif self._fd >= 0:
                await self._disk.ensure(self._close)

    async def _hand_over(self) -> None:
        """Let a thread write the batch, once the one before it is written."""
        batch, batch_bytes = self._batch, self._batch_bytes
        self._batch, self._batch_bytes = [], 0
        await self._wait_for_write()
        await self._count(batch_bytes)
        self._in_flight = self._disk.start(self._write_batch, batch)

    async def _do_long(self, function: Callable[[*Ts], None], *args: *Ts) -> None:
        self._in_flight = self._disk.start_long(function, *args)
        await self._wait_for_write()

    async def _wait_for_write(self) -> None:
        if self._in_flight is not None:
            try:
                await self._disk.settle(self._in_flight)
            finally:
                if self._in_flight.future.done():
                    self._in_flight = None

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

    def _write_out(self, end: int) -> None:
        """Runs in a thread: have these bytes written to the disk, so that syncing the rest does not take for ever."""
        try:
            write_out(self._fd, self._written_out_to, end - self._written_out_to)
        except OSError:
            self._sync_failed = True
            raise
        self._written_out_to = end

    def _sync(self) -> None:
        """Runs in a thread. Blocks may also have been allocated by a run that was killed before this one."""
        trim(self._fd)
        self._allocated_to = self.written_bytes
        try:
            os.fdatasync(self._fd)
        except OSError:
            self._sync_failed = True
            raise
        self._synced_to = self.written_bytes

    def _close(self) -> None:
        """Runs in a thread."""
        if self._fd < 0:
            return
        if self._allocated_to > self.written_bytes:
            trim(self._fd)
        os.close(self._fd)
        self._fd = -1
