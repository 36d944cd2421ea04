"""Who works on which job of a shared book: instances that beat, the queue that they take from, and what they leave."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from app.errors import NotFound
from app.jobs.book.jobs import save
from app.jobs.book.tables import JOB_COLUMNS, decode
from app.jobs.book.transactions import Connection, Transactions
from app.jobs.cluster.tables import FINISHED_STATES
from app.jobs.job import Job
from app.jobs.states import JobState

_LOCK = 0x62616C6D
"""Of the advisory lock under which jobs of silent instances are taken back."""

_AT_A_TIME = 50
"""Jobs that are taken back in one transaction: more than a machine has, and done long before the next beat is late."""

_FORGOTTEN_DAYS = 7
"""After how long a silent instance that owns nothing any more is forgotten."""

_ALIVE = (
    "EXISTS (SELECT 1 FROM instance WHERE instance.name = job.owner AND instance.works "
    "AND instance.seen_at > clock_timestamp() - make_interval(secs => ?))"
)


@dataclass(frozen=True, slots=True)
class Instance:
    """This service among those that share the book. `works`: it does jobs, and does not only take them in."""

    name: str
    host: str
    works: bool


@dataclass(frozen=True, slots=True)
class Demand:
    """Which jobs an instance would take: `count` at most, of these `kinds`, that take no more memory than it has
    (`limit_bytes`), and whose priority is `above` one."""

    count: int
    kinds: tuple[str, ...]
    limit_bytes: int
    above: int


class ClusterBook:
    """All methods raise StorageUnavailable where the database cannot be used."""

    def __init__(self, database: Transactions, instance: Instance) -> None:
        self._database = database
        self.instance = instance

    async def beat(self) -> None:
        """Say that this instance is alive."""
        await self._database.write(partial(_beat, self.instance))

    async def queued(self) -> int:
        """Return how many jobs wait to be begun, over all instances."""
        return await self._database.read(_queued)

    async def mine(self) -> list[tuple[Job, bool]]:
        """Return the unfinished jobs that are this instance's, and whether each is still wanted."""
        return await self._database.read(partial(_mine, self.instance.name))

    async def take(self, demand: Demand) -> list[Job]:
        """Take jobs from the queue: from now on they are this instance's."""
        return await self._database.write(partial(_take, self.instance.name, demand))

    async def take_one(self, job_id: str, silent_seconds: float) -> Job | None:
        """Take this job, if it is not finished and nobody who is alive has it: to end it."""
        return await self._database.write(partial(_take_one, self.instance.name, job_id, silent_seconds))

    async def call_off(self, job_id: str) -> None:
        """Have whoever works on a job cancel it."""
        await self._database.write(partial(_call_off, job_id))

    async def hand_back(self, job_ids: Sequence[str]) -> None:
        """Put jobs of this instance that were not begun back into the queue, as `take_over` does."""
        await self._database.write(partial(_hand_back, self.instance.name, job_ids))

    async def take_over(self, silent_seconds: float) -> list[Job]:
        """Put the unfinished jobs of instances that are silent for so long back into the queue, and return them.

        Steps whose files were on the disk of such an instance count as not done; others stay done.
        """
        return await self._database.write(partial(_take_over, silent_seconds))

    async def release(self, job_id: str, silent_seconds: float) -> None:
        """Put one job back into the queue, as `take_over` does, if nobody who is alive has it."""
        await self._database.write(partial(_release, job_id, silent_seconds))

    async def note_local(self, job_id: str, place: int, is_local: bool) -> None:
        """Write down whether what a step has made lies on this machine's disk.

        Raises:
            NotFound: the job is not this instance's any more.
        """
        await self._database.write(partial(_note_local, self.instance.name, (job_id, place), is_local))

    async def sequences(self, job_ids: Iterable[str]) -> dict[str, int]:
        """Return what the newest event of each of these jobs is; those that are gone are left out."""
        return await self._database.read(partial(_sequences, list(job_ids)))

    async def owned(self, job_ids: Iterable[str]) -> set[str]:
        """Return which of these jobs are this instance's, finished or not."""
        return await self._database.read(partial(_owned, self.instance.name, list(job_ids)))


def _beat(instance: Instance, connection: Connection) -> None:
    connection.execute(
        "INSERT INTO instance (name, host, works, seen_at) VALUES (?, ?, ?, clock_timestamp()) "
        "ON CONFLICT (name) DO UPDATE SET host = excluded.host, works = excluded.works, seen_at = excluded.seen_at",
        (instance.name, instance.host, instance.works),
    )


def _queued(connection: Connection) -> int:
    found: int = connection.execute("SELECT count(*) FROM job WHERE state = ?", (JobState.QUEUED.value,)).fetchone()[0]
    return found


def _mine(name: str, connection: Connection) -> list[tuple[Job, bool]]:
    query = f"SELECT {JOB_COLUMNS}, is_wanted FROM job WHERE owner = ? AND state NOT IN ({FINISHED_STATES})"
    return [(decode((number, text)), wanted) for number, text, wanted in connection.execute(query, (name,))]


def _take(name: str, demand: Demand, connection: Connection) -> list[Job]:
    rows = connection.execute(
        "UPDATE job SET owner = ? WHERE id IN (SELECT id FROM job WHERE owner IS NULL "
        f"AND state NOT IN ({FINISHED_STATES}) AND kind = ANY(?) AND predicted_bytes <= ? AND priority > ? "
        f"ORDER BY priority DESC, number LIMIT ? FOR UPDATE SKIP LOCKED) RETURNING {JOB_COLUMNS}",
        (name, list(demand.kinds), demand.limit_bytes, demand.above, demand.count),
    )
    return sorted((decode(row) for row in rows), key=lambda job: (-job.priority, job.number))


def _take_one(name: str, job_id: str, silent_seconds: float, connection: Connection) -> Job | None:
    row = connection.execute(
        f"SELECT {JOB_COLUMNS} FROM job WHERE id = ? AND state NOT IN ({FINISHED_STATES}) "
        f"AND (owner IS NULL OR NOT {_ALIVE}) FOR UPDATE",
        (job_id, silent_seconds),
    ).fetchone()
    if row is None:
        return None
    return _given(decode(row), name, connection)


def _call_off(job_id: str, connection: Connection) -> None:
    connection.execute(f"UPDATE job SET is_wanted = false WHERE id = ? AND state NOT IN ({FINISHED_STATES})", (job_id,))


def _hand_back(name: str, job_ids: Sequence[str], connection: Connection) -> None:
    query = f"SELECT {JOB_COLUMNS} FROM job WHERE owner = ? AND id = ANY(?) AND state = ? FOR UPDATE"
    for row in connection.execute(query, (name, list(job_ids), JobState.QUEUED.value)).fetchall():
        _taken_over(decode(row), connection)


def _take_over(silent_seconds: float, connection: Connection) -> list[Job]:
    if not connection.execute("SELECT pg_try_advisory_xact_lock(?)", (_LOCK,)).fetchone()[0]:
        return []  # another instance is at it
    connection.execute(
        "DELETE FROM instance WHERE seen_at < clock_timestamp() - make_interval(days => ?)", (_FORGOTTEN_DAYS,)
    )
    rows = connection.execute(
        f"SELECT {JOB_COLUMNS} FROM job WHERE owner IS NOT NULL AND state NOT IN ({FINISHED_STATES}) "
        f"AND NOT {_ALIVE} ORDER BY number LIMIT ? FOR UPDATE SKIP LOCKED",
        (silent_seconds, _AT_A_TIME),
    ).fetchall()
    return [_taken_over(decode(row), connection) for row in rows]


def _release(job_id: str, silent_seconds: float, connection: Connection) -> None:
    row = connection.execute(
        f"SELECT {JOB_COLUMNS} FROM job WHERE id = ? AND NOT {_ALIVE} FOR UPDATE", (job_id, silent_seconds)
    ).fetchone()
    if row is not None:
        _taken_over(decode(row), connection)


def _taken_over(job: Job, connection: Connection) -> Job:
    connection.execute("UPDATE step SET result = NULL WHERE job = ? AND is_local", (job.id,))
    total, done = connection.execute(
        "SELECT sum(weight), coalesce(sum(CASE WHEN result IS NOT NULL THEN weight END), 0) FROM step WHERE job = ?",
        (job.id,),
    ).fetchone()
    progress = round(done / total, 4) if total else 0.0
    fallen = replace(job, progress=progress, step="waiting for its turn", eta_seconds=None)
    return _given(fallen, None, connection)


def _given(job: Job, owner: str | None, connection: Connection) -> Job:
    """Change the hands that a job is in: whoever had it writes nothing any more."""
    given = job.changed(run=job.run + 1)
    save(given, connection)
    connection.execute("UPDATE job SET owner = ? WHERE id = ?", (owner, job.id))
    return given


def hold(name: str, job_id: str, connection: Connection) -> None:
    """See that a job is an instance's, and stays it until the end of the transaction.

    Raises:
        NotFound: it is not.
    """
    row = connection.execute("SELECT 1 FROM job WHERE id = ? AND owner = ? FOR SHARE", (job_id, name)).fetchone()
    if row is None:
        raise NotFound("The job is not this machine's any more.")


def _note_local(name: str, step: tuple[str, int], is_local: bool, connection: Connection) -> None:
    hold(name, step[0], connection)
    connection.execute("UPDATE step SET is_local = ? WHERE job = ? AND place = ?", (is_local, *step))


def _sequences(job_ids: Sequence[str], connection: Connection) -> dict[str, int]:
    return dict(connection.execute("SELECT id, sequence FROM job WHERE id = ANY(?)", (job_ids,)).fetchall())


def _owned(name: str, job_ids: Sequence[str], connection: Connection) -> set[str]:
    rows = connection.execute("SELECT id FROM job WHERE owner = ? AND id = ANY(?)", (name, job_ids))
    return {job_id for (job_id,) in rows}
