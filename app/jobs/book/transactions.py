"""What the book needs of a database: transactions on a connection, in SQLite's words (`?` and `:name` for values)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class Rows(Protocol):
    """What a statement gave. `rowcount`: the rows that it changed."""

    @property
    def rowcount(self) -> int: ...

    def fetchone(self) -> Any: ...

    def fetchall(self) -> list[Any]: ...

    def __iter__(self) -> Iterator[Any]: ...


class Connection(Protocol):
    """The part of a `sqlite3.Connection` that the book uses."""

    def execute(self, statement: str, values: Any = (), /) -> Rows: ...

    def executemany(self, statement: str, rows: Iterable[Any], /) -> object: ...


class Transactions(Protocol):
    """A transaction is a function of the connection: it is committed when that returns, rolled back when it raises."""

    async def exists(self) -> bool:
        """Whether there is anything to read."""
        ...

    async def write(self, transaction: Callable[[Connection], T]) -> T:
        """Run a transaction that changes something; a cancellation is delivered after it.

        Raises:
            StorageUnavailable: the database cannot be used now.
            StorageFull: it has no room.
        """
        ...

    async def read(self, transaction: Callable[[Connection], T]) -> T:
        """Run one that changes nothing.

        Raises:
            StorageUnavailable: as for `write`.
        """
        ...

    async def aclose(self) -> None: ...
