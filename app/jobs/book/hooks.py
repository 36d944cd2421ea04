"""Webhooks that are to be sent, in the book."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from functools import partial

from app.jobs.book.transactions import Connection, Transactions

DUE = "SELECT number, job, url, since, tries FROM webhook WHERE due_at <= ? ORDER BY due_at LIMIT ?"


@dataclass(frozen=True, slots=True)
class Hook:
    """`since`: when the job ended (seconds since 1970); `tries`: how often it was sent in vain."""

    number: int
    job_id: str
    url: str
    since: float
    tries: int


class HookBook:
    """All methods raise StorageUnavailable where the book cannot be used."""

    def __init__(self, database: Transactions) -> None:
        self._database = database

    async def due(self, now: float, most: int, held: Set[int] = frozenset()) -> list[Hook]:
        """Return up to `most` that are to be sent now, beside those of the numbers that are `held` already."""
        if not await self._database.exists():
            return []
        return await self._database.read(partial(_due, now, most, held))

    async def next_at(self, after: float) -> float | None:
        """Return when the next is to be sent after this moment; None: there is none."""
        if not await self._database.exists():
            return None
        return await self._database.read(partial(_next_at, after))

    async def put_off(self, hook: Hook, until: float) -> None:
        """It was not taken: it is sent again later."""
        await self._database.write(partial(_put_off, hook.number, until))

    async def put_aside(self, hook: Hook, until: float) -> None:
        """It was not tried: it is sent later, and that it waited does not count."""
        await self._database.write(partial(_put_aside, hook.number, until))

    async def done(self, hook: Hook) -> None:
        """It was taken, or it is given up."""
        await self._database.write(partial(_done, hook.number))


def _due(now: float, most: int, held: Set[int], connection: Connection) -> list[Hook]:
    found = [Hook(*row) for row in connection.execute(DUE, (now, most + len(held)))]
    return [hook for hook in found if hook.number not in held]


def _next_at(after: float, connection: Connection) -> float | None:
    query = "SELECT min(due_at) FROM webhook WHERE due_at > ?"
    found: float | None = connection.execute(query, (after,)).fetchone()[0]
    return found


def _put_off(number: int, until: float, connection: Connection) -> None:
    connection.execute("UPDATE webhook SET due_at = ?, tries = tries + 1 WHERE number = ?", (until, number))


def _put_aside(number: int, until: float, connection: Connection) -> None:
    connection.execute("UPDATE webhook SET due_at = ? WHERE number = ?", (until, number))


def _done(number: int, connection: Connection) -> None:
    connection.execute("DELETE FROM webhook WHERE number = ?", (number,))
