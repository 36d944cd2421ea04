"""The PostgreSQL database of a shared book: one connection, used in a thread of its own by one call at a time."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from app.errors import BallastError, InvalidParameter, StorageFull, StorageUnavailable
from app.jobs.book.transactions import Connection, Rows
from app.jobs.cluster.tables import NAME, SCHEMA, STATEMENTS
from app.storage.lane import Lane

if TYPE_CHECKING:
    import psycopg

logger = logging.getLogger("ballast.jobs")

T = TypeVar("T")

_PATIENCE_SECONDS = 30.0
"""How long a call may take in all: to connect, and what the server may take for a statement."""

_RETRY_SECONDS = 5
PAUSE_SECONDS = 2.0
"""After a connection that failed: as long the next calls are told at once, and do not wait for the network."""

_ATTEMPTS = 3
_LOCK = 0x62616C6C  # "ball": of the advisory lock under which the tables are made

_SESSION = f"""
SET search_path = {NAME}; SET statement_timeout = '10s'; SET lock_timeout = '5s';
SET idle_in_transaction_session_timeout = '15s'; SET client_min_messages = warning
"""

_NETWORK: dict[str, Any] = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
    "application_name": "ballast",
}
"""libpq's (PostgreSQL manual, "Parameter Key Words"), seconds, the last but one in ms: a server that is cut off is
noticed while somebody waits for it."""

_NAMED = re.compile(r"(?<!:):(\w+)")


class ClusterDatabase:
    """The connection is made by the first call, and again when it was lost. Errors never quote the URL.

    psycopg (8.5 MB) is in memory only where there is such a database.
    """

    def __init__(self, url: str) -> None:
        self._url = re.sub(r"^postgresql\+\w+", "postgresql", url)
        self._lane = Lane("database", 1, _PATIENCE_SECONDS)
        self._connection: psycopg.Connection[Any] | None = None
        self._again_at = 0.0

    async def exists(self) -> bool:
        return True

    async def write(self, transaction: Callable[[Connection], T]) -> T:
        """See `Transactions.write`."""
        try:
            return await self._lane.wait(self._lane.start(partial(self._transact, transaction)))
        except StorageUnavailable:
            raise gone() from None

    async def read(self, transaction: Callable[[Connection], T]) -> T:
        """See `Transactions.read`."""
        return await self.write(transaction)

    async def aclose(self) -> None:
        self._lane.post(self._close)
        await self._lane.aclose()

    def _transact(self, transaction: Callable[[Connection], T]) -> T:
        """Runs in a thread. What is lost before its commit is done again on a new connection, and what clashed."""
        import psycopg  # not at module level: for those who share a book

        for attempt in range(1, _ATTEMPTS + 1):
            was_open = self._connection is not None
            is_decided = False
            try:
                connection = self._open()
                result = transaction(_Worded(connection))
                is_decided = True
                connection.commit()
                return result
            except psycopg.Error as error:
                again = _is_clash(error) or (was_open and not is_decided and self._is_lost())
                self._give_up(error)
                if again and attempt < _ATTEMPTS:
                    continue
                raise _problem(error) from None
            except BaseException:
                self._roll_back()
                raise
        raise gone()

    def _is_lost(self) -> bool:
        return self._connection is not None and self._connection.closed

    def _give_up(self, error: psycopg.Error) -> None:
        """Take a transaction back, and let go of a connection that is of no use any more."""
        if self._connection is None:
            self._again_at = time.monotonic() + PAUSE_SECONDS
        state = error.sqlstate or type(error).__name__
        if not _is_clash(error):
            logger.warning("the database of jobs refused: %s", state)
        self._roll_back()

    def _roll_back(self) -> None:
        import psycopg  # as above

        try:
            if self._connection is not None:
                self._connection.rollback()
        except psycopg.Error:
            self._close()

    def _open(self) -> psycopg.Connection[Any]:
        if self._connection is not None and self._connection.closed:
            self._close()
        if self._connection is None:
            if time.monotonic() < self._again_at:
                raise gone()
            self._connection = _connect(self._url)
        return self._connection

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


class _Worded:
    """Takes statements in SQLite's words, and those that are others here (`STATEMENTS`)."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def execute(self, statement: str, values: Any = (), /) -> Rows:
        return self._connection.execute(_words(statement), values)

    def executemany(self, statement: str, rows: Iterable[Any], /) -> None:
        with self._connection.cursor() as cursor:
            cursor.executemany(_words(statement), rows)


def gone() -> StorageUnavailable:
    return StorageUnavailable("The database of jobs does not answer.", retry_after_seconds=_RETRY_SECONDS)


def _words(statement: str) -> bytes:
    known = STATEMENTS.get(statement, statement)
    return _NAMED.sub(r"%(\1)s", known.replace("?", "%s")).encode()


def _connect(url: str) -> psycopg.Connection[Any]:
    """Return a connection to a database that has our tables."""
    import psycopg  # as above

    try:
        connection = psycopg.connect(url, prepare_threshold=None, **_NETWORK)
    except psycopg.OperationalError as error:
        if "does not exist" not in str(error):
            raise
        _create(url)
        connection = psycopg.connect(url, prepare_threshold=None, **_NETWORK)
    try:
        connection.execute(_SESSION.encode())
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        row = connection.execute("SELECT to_regclass(%s)", (f"{NAME}.instance",)).fetchone()
        if row is None or row[0] is None:
            connection.execute(SCHEMA.encode())
        connection.commit()
    except BaseException:
        connection.close()
        raise
    return connection


def _create(url: str) -> None:
    """Make the database, as the jobs child would."""
    import psycopg  # as above
    from psycopg import sql
    from psycopg.conninfo import conninfo_to_dict

    name = str(conninfo_to_dict(url).get("dbname", ""))
    was_made = suppress(psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation)  # another one was quicker
    with was_made, psycopg.connect(url, dbname="postgres", autocommit=True, **_NETWORK) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))


def _is_clash(error: psycopg.Error) -> bool:
    """Whether two instances came in each other's way: the second one does it again, on what the first has written."""
    return error.sqlstate in ("40001", "40P01", "23505", "55P03")


def _problem(error: psycopg.Error) -> BallastError:
    """Return what an error of the server means to a client; only its code is told (PostgreSQL manual, appendix A)."""
    state = error.sqlstate or ""
    if state == "53100":
        return StorageFull("The disk of the database is full.")
    if state.startswith("22") or type(error).__name__ == "DataError":
        return InvalidParameter("The job holds characters that cannot be kept.")
    return gone()
