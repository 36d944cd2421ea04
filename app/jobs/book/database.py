"""The SQLite file of the book: one connection, used in the threads of the disk by one call at a time."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from app.errors import BallastError, StorageFull, StorageUnavailable
from app.jobs.book.transactions import Connection
from app.storage.files import make_folder
from app.storage.threads import DiskThreads

if TYPE_CHECKING:
    import sqlite3

T = TypeVar("T")

_BUSY_MILLISECONDS = 5000
"""How long a call waits for another process that has the file locked (a backup, a shell)."""

_CACHE_KIB = 512
"""Pages that SQLite keeps in memory."""

_LOCKED = ("SQLITE_BUSY", "SQLITE_LOCKED")
_BROKEN = ("SQLITE_CORRUPT", "SQLITE_NOTADB")


class Database:
    """A transaction is a function of the connection: it is committed when that returns, rolled back when it raises.

    The file is made by the first write. In WAL mode with full syncs: what was committed survives a power cut.
    """

    def __init__(self, path: Path, schema: str, disk: DiskThreads) -> None:
        self._path = path
        self._schema = schema
        self._disk = disk
        self._connection: sqlite3.Connection | None = None
        self._turn = asyncio.Lock()
        self._held = threading.Lock()

    async def exists(self) -> bool:
        """Whether there is anything to read."""
        return self._connection is not None or await self._disk.read(self._path.exists)

    async def write(self, transaction: Callable[[Connection], T]) -> T:
        """Run a transaction that changes something; a cancellation is delivered after it.

        Raises:
            StorageUnavailable: the file is locked, broken, or the disk does not answer.
            StorageFull: there is no room.
        """
        async with self._turn:
            return await self._disk.run_long(self._transact, "IMMEDIATE", transaction)

    async def read(self, transaction: Callable[[Connection], T]) -> T:
        """Run one that changes nothing.

        Raises:
            StorageUnavailable: as for `write`.
        """
        async with self._turn:
            return await self._disk.read(self._transact, "DEFERRED", transaction)

    async def aclose(self) -> None:
        async with self._turn:
            await self._disk.ensure(self._close)

    def _transact(self, mode: str, transaction: Callable[[Connection], T]) -> T:
        """Runs in a thread."""
        import sqlite3  # not at module level: 1.5 MB, for those who have jobs

        with self._held:
            try:
                connection = self._open()
                connection.execute(f"BEGIN {mode}")
                try:
                    result = transaction(connection)
                except BaseException:
                    with suppress(sqlite3.Error):
                        connection.execute("ROLLBACK")
                    raise
                connection.execute("COMMIT")
                return result
            except sqlite3.IntegrityError:
                raise
            except sqlite3.Error as error:
                with suppress(sqlite3.Error):
                    if self._connection is not None and self._connection.in_transaction:
                        self._connection.execute("ROLLBACK")
                raise _problem(error) from error

    def _open(self) -> sqlite3.Connection:
        import sqlite3  # as above

        if self._connection is not None and not self._path.exists():  # removed under our hands: begin anew
            self._close()
        if self._connection is None:
            make_folder(self._path.parent, synced=False)
            connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
            try:
                connection.execute(f"PRAGMA busy_timeout={_BUSY_MILLISECONDS}")
                connection.execute("PRAGMA journal_mode=WAL")
                connection.execute("PRAGMA synchronous=FULL")
                connection.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
                connection.executescript(self._schema)
                self._path.chmod(0o600)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _problem(error: sqlite3.Error) -> BallastError:
    """Return what an error of SQLite means to a client."""
    name = getattr(error, "sqlite_errorname", "") or ""
    if name.startswith("SQLITE_FULL"):
        return StorageFull("The disk is full.")
    if name.startswith(_LOCKED):
        return StorageUnavailable("The book of jobs is locked by another program.", retry_after_seconds=5)
    if name.startswith(_BROKEN):
        return StorageUnavailable("The book of jobs is broken: see docs/jobs.md.", retry_after_seconds=60)
    return StorageUnavailable("The book of jobs cannot be used now.", retry_after_seconds=5)
