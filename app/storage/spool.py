"""Lines that wait on the disk for a client to read them: any number of them takes no memory."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.storage.files import full_disk, write_all
from app.storage.tempfiles import TempFile, TempFiles
from app.storage.threads import DiskThreads

_PIECE_BYTES = 64 * 1024


class Spool:
    """A queue of bytes in a tracked temporary file: many writers, one reader. Made by `open_spool`."""

    def __init__(self, temp_file: TempFile, fd: int, disk: DiskThreads) -> None:
        self._temp_file = temp_file
        self._fd = fd
        self._disk = disk
        self._writing = asyncio.Lock()
        self._changed = asyncio.Event()
        self._ended = False

    @property
    def size_bytes(self) -> int:
        return self._temp_file.size_bytes

    async def write(self, line: bytes) -> None:
        """Append a whole line.

        Raises:
            StorageFull: the disk has no room for it.
        """
        async with self._writing:
            with full_disk(len(line)):
                await self._disk.run(write_all, self._fd, [line])
            self._temp_file.size_bytes += len(line)
        self._changed.set()

    def end(self) -> None:
        """Say that nothing more will be written."""
        self._ended = True
        self._changed.set()

    async def pieces(self, piece_bytes: int = _PIECE_BYTES) -> AsyncIterator[bytes]:
        """Give everything that is written, in order and so many bytes at a time, until the end."""
        offset = 0
        while True:
            self._changed.clear()
            if offset < self._temp_file.size_bytes:
                piece = await self._disk.run(os.pread, self._fd, piece_bytes, offset)
                offset += len(piece)
                yield piece
            elif self._ended:
                return
            else:
                await self._changed.wait()


@asynccontextmanager
async def open_spool(source: str, temp_files: TempFiles, disk: DiskThreads) -> AsyncIterator[Spool]:
    """Give a spool for the block; its file is gone afterwards."""
    async with temp_files.file(source) as temp_file, disk.opened(temp_file.path, os.O_RDWR | os.O_APPEND) as fd:
        yield Spool(temp_file, fd, disk)
