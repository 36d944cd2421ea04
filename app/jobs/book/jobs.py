"""The book of jobs: what was submitted, and what became of it. Clients are told from here, without any child."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from app.errors import Conflict, InvalidParameter, NotFound, QueueFull
from app.ffmpeg.probe import Probe
from app.jobs.book.tables import JOB_COLUMNS, decode, decode_probe, dumps, encode, encode_probe
from app.jobs.book.transactions import Connection, Transactions
from app.jobs.job import Job
from app.jobs.plan import Step
from app.jobs.states import FINISHED, UNFINISHED, JobState

_UNFINISHED = ", ".join(f"'{state.value}'" for state in sorted(UNFINISHED))
_FINISHED = ", ".join(f"'{state.value}'" for state in sorted(FINISHED))
_COLUMNS = ("id", "kind", "state", "client", "idempotency_key", "finished_at", "document")
INSERT = f"INSERT INTO job ({', '.join(_COLUMNS)}) VALUES ({', '.join(f':{name}' for name in _COLUMNS)})"
TURN = "SELECT 1"
"""Said before it is looked what is there: machines that share a book say it one after the other (`cluster.tables`)."""
UPDATE = f"UPDATE job SET {', '.join(f'{name} = :{name}' for name in _COLUMNS)} WHERE id = :id"


@dataclass(frozen=True, slots=True)
class Input:
    """One input of a job, and what its probe said when the job was submitted.

    Behind the inputs (`Job.input_count` of them) stand the pictures that the job needs beside them.
    """

    media_id: str
    probe: Probe | None


@dataclass(frozen=True, slots=True)
class JobPage:
    """Jobs, newest first, and the cursor of the next page (None: this was the last)."""

    jobs: tuple[Job, ...]
    next_cursor: str | None


class Book:
    """Lists and looks up jobs. What a step changes is in `steps`, which writes into the same database.

    All methods raise StorageUnavailable where that cannot be used.
    """

    def __init__(self, database: Transactions) -> None:
        self.database = database

    async def add(
        self, job: Job, inputs: Sequence[Input], steps: Sequence[Step], most_queued: int | None = None
    ) -> tuple[Job, bool]:
        """Enter a new job whole; where there is one with its idempotency key, return that, and False.

        Raises:
            QueueFull: `most_queued` wait already.
            StorageFull: there is no room for it.
        """
        return await self.database.write(partial(_add, job, inputs, steps, most_queued))

    async def get(self, job_id: str) -> Job:
        """Return one job.

        Raises:
            NotFound: there is no such job.
        """
        if await self.database.exists():
            found = await self.database.read(partial(_find, job_id))
            if found is not None:
                return found
        raise NotFound("There is no job with this id.")

    async def with_key(self, key: str) -> Job | None:
        """Return the job that was submitted with this idempotency key, by whomever: all clients are one tenant."""
        if not await self.database.exists():
            return None
        return await self.database.read(partial(_find_by_key, key))

    async def page(self, limit: int, cursor: str | None, state: JobState | None, kind: str | None) -> JobPage:
        """Return up to `limit` jobs, newest first, after `cursor`.

        Raises:
            InvalidParameter: it is not one of our cursors.
        """
        if cursor is not None and not (cursor.isascii() and cursor.isdecimal() and len(cursor) < 19):
            raise InvalidParameter("cursor: it is not one that a page of this list has given.")
        if not await self.database.exists():
            return JobPage((), None)
        before = int(cursor) if cursor is not None else None
        jobs = await self.database.read(partial(_page, limit + 1, before, state, kind))
        next_cursor = str(jobs[limit - 1].number) if len(jobs) > limit else None
        return JobPage(tuple(jobs[:limit]), next_cursor)

    async def unfinished(self) -> list[Job]:
        """Return all jobs that are not finished, the oldest first."""
        if not await self.database.exists():
            return []
        return await self.database.read(partial(_select, f"state IN ({_UNFINISHED}) ORDER BY number", ()))

    async def finished_before(self, moment: float, limit: int) -> list[Job]:
        """Return some jobs that finished before `moment` (seconds since 1970)."""
        if not await self.database.exists():
            return []
        where = f"state IN ({_FINISHED}) AND finished_at < ? ORDER BY number LIMIT ?"
        return await self.database.read(partial(_select, where, (moment, limit)))

    async def save(self, job: Job) -> None:
        """Write down what has changed of a job.

        Raises:
            NotFound: it is not there any more.
        """
        await self.database.write(partial(save, job))

    async def retry(self, job: Job) -> None:
        """Write down that a job begins again, as its next run; how often its steps were begun counts anew.

        Raises:
            Conflict: somebody else was quicker.
            NotFound: it is not there any more.
        """
        await self.database.write(partial(_retry, job))

    async def inputs(self, job_id: str) -> list[Input]:
        """Return the inputs of a job in their order, and then what else it needs."""
        return await self.database.read(partial(_inputs, job_id))

    async def probe_of(self, media_id: str) -> Probe | None:
        """Return what the probe of an item said when another job was submitted; None: there was none."""
        if not await self.database.exists():
            return None
        return await self.database.read(partial(_probe_of, media_id))

    async def needs(self, media_id: str) -> bool:
        """Whether a job that is not finished has this item as its input, or needs it beside them."""
        if not await self.database.exists():
            return False
        return await self.database.read(partial(_needs, media_id))

    async def made_from(self, kind: str, media_id: str) -> list[str]:
        """Return the ids of the items that jobs of a kind which succeeded made from this one, the newest first."""
        if not await self.database.exists():
            return []
        return await self.database.read(partial(_made_from, kind, media_id))

    async def delete(self, job_id: str) -> None:
        """Forget a job and all that belongs to it."""
        await self.database.write(partial(_delete, job_id))


def save(job: Job, connection: Connection) -> None:
    """Write a job's row, as a part of a transaction.

    Raises:
        NotFound: it is not there any more.
    """
    if not connection.execute(UPDATE, encode(job)).rowcount:
        raise NotFound("There is no job with this id.")


def queue_full(most_queued: int) -> QueueFull:
    """Return the problem of a job for which there is no place in the queue."""
    return QueueFull(f"{most_queued} jobs wait already.", retry_after_seconds=30, maxQueued=most_queued)


def _add(
    job: Job, inputs: Sequence[Input], steps: Sequence[Step], most_queued: int | None, connection: Connection
) -> tuple[Job, bool]:
    connection.execute(TURN)
    if job.idempotency_key is not None:
        found = _find_by_key(job.idempotency_key, connection)
        if found is not None:
            return found, False
    if most_queued is not None and _queued(connection) >= most_queued:
        raise queue_full(most_queued)
    connection.execute(INSERT, encode(job))
    number = connection.execute("SELECT number FROM job WHERE id = ?", (job.id,)).fetchone()[0]
    connection.executemany(
        "INSERT INTO input VALUES (?, ?, ?, ?)",
        ((job.id, place, one.media_id, encode_probe(one.probe)) for place, one in enumerate(inputs)),
    )
    connection.executemany(
        "INSERT INTO step (job, place, name, words, weight, args) VALUES (?, ?, ?, ?, ?, ?)",
        (
            (job.id, place, step.name, step.words, step.weight, dumps(dict(step.args)))
            for place, step in enumerate(steps)
        ),
    )
    return replace(job, number=number), True


def _find(job_id: str, connection: Connection) -> Job | None:
    return next(iter(_select("id = ?", (job_id,), connection)), None)


def _find_by_key(key: str, connection: Connection) -> Job | None:
    return next(iter(_select("idempotency_key = ? ORDER BY number LIMIT 1", (key,), connection)), None)


def _queued(connection: Connection) -> int:
    found: int = connection.execute("SELECT count(*) FROM job WHERE state = ?", (JobState.QUEUED.value,)).fetchone()[0]
    return found


def _page(
    count: int, before: int | None, state: JobState | None, kind: str | None, connection: Connection
) -> list[Job]:
    wanted = {"number < ?": before, "state = ?": None if state is None else state.value, "kind = ?": kind}
    terms = {term: value for term, value in wanted.items() if value is not None}
    where = " AND ".join(terms) or "1 = 1"
    return _select(f"{where} ORDER BY number DESC LIMIT ?", (*terms.values(), count), connection)


def _select(where: str, values: Sequence[object], connection: Connection) -> list[Job]:
    rows = connection.execute(f"SELECT {JOB_COLUMNS} FROM job WHERE {where}", values)
    return [decode(row) for row in rows]


def _retry(job: Job, connection: Connection) -> None:
    connection.execute(TURN)
    last = _find(job.id, connection)
    if last is not None and not (last.state.is_finished and last.run < job.run):
        raise Conflict(f"The job is {last.state.value}: it has just been tried again.")
    save(job, connection)
    connection.execute("UPDATE step SET begun = 0, failures = 0 WHERE job = ?", (job.id,))
    connection.execute("DELETE FROM webhook WHERE job = ?", (job.id,))


def _inputs(job_id: str, connection: Connection) -> list[Input]:
    rows = connection.execute("SELECT media_id, probe FROM input WHERE job = ? ORDER BY place", (job_id,))
    return [Input(media_id, decode_probe(probe)) for media_id, probe in rows]


def _probe_of(media_id: str, connection: Connection) -> Probe | None:
    query = "SELECT probe FROM input WHERE media_id = ? AND probe IS NOT NULL ORDER BY job DESC LIMIT 20"
    rows = connection.execute(query, (media_id,))
    whole = next((row[0] for row in rows if _LATEST in row[0]), None)
    return None if whole is None else decode_probe(whole)


_LATEST = '"parameters"'
"""What only probes of this version tell."""


def _needs(media_id: str, connection: Connection) -> bool:
    query = (
        "SELECT 1 FROM input JOIN job ON job.id = input.job "
        f"WHERE input.media_id = ? AND job.state IN ({_UNFINISHED}) LIMIT 1"
    )
    return connection.execute(query, (media_id,)).fetchone() is not None


def _made_from(kind: str, media_id: str, connection: Connection) -> list[str]:
    query = (
        "SELECT DISTINCT kept.media_id, job.finished_at, kept.number FROM input "
        "JOIN job ON job.id = input.job JOIN kept ON kept.job = job.id "
        "WHERE input.media_id = ? AND job.kind = ? AND job.state = ? ORDER BY job.finished_at DESC, kept.number DESC"
    )
    return [row[0] for row in connection.execute(query, (media_id, kind, JobState.SUCCEEDED.value))]


def _delete(job_id: str, connection: Connection) -> None:
    for table in ("input", "step", "kept", "webhook"):
        connection.execute(f"DELETE FROM {table} WHERE job = ?", (job_id,))
    connection.execute("DELETE FROM job WHERE id = ?", (job_id,))
