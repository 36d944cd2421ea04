"""Several instances in one process, with a real database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from app.jobs.book.hooks import HookBook
from app.jobs.book.jobs import Book
from app.jobs.book.steps import StepBook
from app.jobs.cluster.book import ClusterBook, Demand, Instance
from app.jobs.cluster.database import ClusterDatabase
from tests.jobs.postgres import Postgres

SILENT_SECONDS = 30.0
ANY = -1_000_000


@dataclass(frozen=True, slots=True)
class Member:
    """One instance of several."""

    book: Book
    steps: StepBook
    hooks: HookBook
    cluster: ClusterBook

    async def take(self, count: int = 10, *, above: int = ANY, limit_bytes: int = 1 << 30) -> list[str]:
        return [job.id for job in await self.cluster.take(Demand(count, ("count",), limit_bytes, above))]


@asynccontextmanager
async def members(url: str, *works: bool) -> AsyncIterator[list[Member]]:
    """Give instances that have all beaten once."""
    async with AsyncExitStack() as stack:
        found = []
        for number, one in enumerate(works):
            database = ClusterDatabase(url)
            stack.push_async_callback(database.aclose)
            cluster = ClusterBook(database, Instance(f"machine-{number}", f"host-{number}", one))
            await cluster.beat()
            found.append(Member(Book(database), StepBook(database), HookBook(database), cluster))
        yield found


def silence(server: Postgres, url: str, number: int) -> None:
    """Have an instance be seen last a minute ago."""
    past = f"UPDATE ballast.instance SET seen_at = seen_at - interval '1 minute' WHERE name = 'machine-{number}'"
    server.execute(url, past)
