"""Where the book of jobs is, as `ballast doctor` sees it: a database that several machines share is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from app.domain.check import Check, failed, passed
from app.errors import BallastError
from app.jobs.book.library import is_shared
from app.jobs.book.transactions import Connection
from app.jobs.cluster.database import ClusterDatabase
from app.settings import JobsSettings


def check_jobs(settings: JobsSettings) -> Iterator[Check]:
    """Yield what the database has to tell, where there is one; its tables are made, if they are not there."""
    if settings.database_url is None or not is_shared(settings):
        return
    try:
        version, instances = asyncio.run(_ask(ClusterDatabase(settings.database_url)))
    except BallastError as error:
        fix = "see BALLAST_JOBS__DATABASE_URL, and whether the server lets this machine in; jobs answer 503 until then"
        yield failed("database of jobs", error.detail, fix)
    else:
        yield passed(
            "database of jobs", f"PostgreSQL {version}; machines that were seen in the last minute: {instances}"
        )


async def _ask(database: ClusterDatabase) -> tuple[str, int]:
    try:
        return await database.read(_look)
    finally:
        await database.aclose()


def _look(connection: Connection) -> tuple[str, int]:
    version = connection.execute("SHOW server_version").fetchone()[0]
    query = "SELECT count(*) FROM instance WHERE seen_at > clock_timestamp() - interval '1 minute'"
    return str(version).partition(" ")[0], int(connection.execute(query).fetchone()[0])
