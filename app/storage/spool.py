"""Lines that wait on the disk for a client to read them: any number of them takes no memory."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVarTuple

from app.storage.files import write_all
from app.storage.lane import Call
from app.storage.scratch import Scratch, ScratchFile, needing
from app.storage.threads import DiskThreads

Ts = TypeVarTuple("Ts")

_PIECE_BYTES = 64 * 1024


class Spool:
    """A queue of bytes in a temporary file: many writers, one reader. Made by `open_spool`."""

    def __init__(self, file: ScratchFile, disk: DiskThreads) -> None:
        self._file = file
        self._fd = -1
        self._disk = disk
        self._in_flight: Call[None] | None = None
        self._writing = asyncio.Lock()
        self._changed = asyncio.Event()
        self._ended = False
        self._last = b""
        self.size_bytes = 0

    async def open(self) -> None:
        await self._do(self._open)

    async def aclose(self) -> None:
        if self._in_flight is not None and not self._in_flight.future.done():
            self._disk.after(self._in_flight, self._close)
        else:
            await self._disk.ensure(self._close)

    async def write(self, line: bytes) -> None:
        """Append a whole line.

        Raises:
            StorageFull: the disk, or the share of the client, has no room for it.
        """
        async with self._writing:
            await self._file.count(len(line))
            try:
                with needing(len(line)):
                    await self._do(write_all, self._fd, [line])
            except BaseException:  # a part of it may be there
                await self._do(os.ftruncate, self._fd, self.size_bytes)
                self._file.uncount(len(line))
                raise
            self.size_bytes += len(line)
        self._changed.set()

    def end(self, last: bytes = b"") -> None:
        """Say that nothing more will be written. The `last` line waits in memory: it may say that the disk is full."""
        self._last = last
        self._ended = True
        self._changed.set()

    async def pieces(self, piece_bytes: int = _PIECE_BYTES) -> AsyncIterator[bytes]:
        """Give everything that is written, in order and so many bytes at a time, until the end."""
        offset = 0
        while True:
            self._changed.clear()
            if offset < self.size_bytes:
                nbytes = min(piece_bytes, self.size_bytes - offset)
                piece = await self._disk.read(os.pread, self._fd, nbytes, offset)
                offset += len(piece)
                yield piece
            elif self._ended:
                break
            else:
                await self._changed.wait()
        if self._last:
            yield self._last

    async def _do(self, function: Callable[[*Ts], None], *args: *Ts) -> None:
        """Have a thread work on the file; it is not closed before that has ended, though it may hang."""
        self._in_flight = self._disk.start(function, *args)
        await self._disk.settle(self._in_flight)

    def _close(self) -> None:
        """Runs in a thread."""
        if self._fd >= 0:
            os.close(self._fd)

    def _open(self) -> None:
        """Runs in a thread."""
        self._fd = os.open(self._file.path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)


@asynccontextmanager
async def open_spool(source: str, client: str, scratch: Scratch, disk: DiskThreads) -> AsyncIterator[Spool]:
    """Give a spool for the block; its file is gone afterwards, and what it took of the client's share is back."""
    async with scratch.spool(source, client) as file:
        spool = Spool(file, disk)
        try:
            await spool.open()
            yield spool
        finally:
            await spool.aclose()
