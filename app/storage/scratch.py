"""Temporary files that the service writes itself: every byte is in the ledger of disk space before it is written."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from pathlib import Path

from app.errors import StorageFull
from app.storage.space import DiskSpace, SpaceReservation
from app.storage.tempfiles import TempFile, TempFiles


@contextmanager
def needing(size_bytes: int) -> Iterator[None]:
    """Have StorageFull say how many bytes were to be written."""
    try:
        yield
    except StorageFull as error:
        error.extra.setdefault("neededBytes", size_bytes)
        raise


class ScratchFile:
    """A temporary file and what is reserved for it. Made by `Scratch`."""

    def __init__(self, temp_file: TempFile, reservation: SpaceReservation) -> None:
        self._temp_file = temp_file
        self._reservation = reservation

    @property
    def path(self) -> Path:
        return self._temp_file.path

    @property
    def size_bytes(self) -> int:
        return self._temp_file.size_bytes

    async def count(self, size_bytes: int) -> None:
        """Count bytes that are about to be written.

        Raises:
            StorageFull: there is no room for them, or not in the share of the client.
        """
        await self._reservation.count(size_bytes)
        self._temp_file.size_bytes += size_bytes

    def uncount(self, size_bytes: int) -> None:
        """Take back what was counted and could not be written."""
        self._reservation.uncount(size_bytes)
        self._temp_file.size_bytes -= size_bytes


class Scratch:
    """Makes them; the file and its reservation are gone when the block ends, however it ends."""

    def __init__(self, temp_files: TempFiles, space: DiskSpace) -> None:
        self._temp_files = temp_files
        self._space = space

    def spool(self, source: str, client: str) -> AbstractAsyncContextManager[ScratchFile]:
        """Give an empty file for bytes that wait for the block; all spools of a `client` keep to its share.

        `source` is what such files are counted by (`TempFiles.file`).
        """
        return self.file(source, self._space.spool(client))

    @asynccontextmanager
    async def file(self, source: str, reservation: SpaceReservation, suffix: str = "") -> AsyncIterator[ScratchFile]:
        """Give an empty file for the block, and release the reservation afterwards."""
        try:
            async with self._temp_files.file(source, suffix) as temp_file:
                temp_file.is_reserved = True
                yield ScratchFile(temp_file, reservation)
        finally:
            reservation.release()
