"""The steps of jobs in the book: which are done, what they returned, what they kept."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from app.errors import NotFound
from app.jobs.book.jobs import save
from app.jobs.book.tables import dumps
from app.jobs.book.transactions import Connection, Transactions
from app.jobs.job import Job
from app.jobs.plan import Json, Step

_KEEP = "INSERT INTO kept (job, step, name, media_id) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"


@dataclass(frozen=True, slots=True)
class WrittenStep:
    """A step as it stands in the book. `begun`: how often, without an end that was written down; `failures`: how often
    it failed. `is_next`: all before it are done. `done_weight`: their weights; `total_weight`: those of all."""

    step: Step
    begun: int
    failures: int
    is_done: bool
    is_next: bool
    done_weight: float
    total_weight: float


class StepBook:
    """Reads and writes the steps; what changes with a job itself is written in one transaction with it.

    All methods raise StorageUnavailable where the book cannot be used.
    """

    def __init__(self, database: Transactions) -> None:
        self._database = database

    async def get(self, job_id: str, place: int) -> WrittenStep:
        """Return the step at a place of a plan.

        Raises:
            NotFound: there is none.
        """
        return await self._database.read(partial(_get, job_id, place))

    async def begin(self, job: Job, place: int) -> None:
        """Write down that a step begins, and with that what has become of its job."""
        await self._database.write(partial(_begin, job, place))

    async def take_back(self, job_id: str, place: int, *, failed: bool) -> None:
        """Write down that a step ended without a result: it `failed`, or there was no memory for it."""
        await self._database.write(partial(_take_back, job_id, place, failed))

    async def finish(self, job: Job, place: int, result: Json) -> None:
        """Write down the result of a step, and with that what has become of its job."""
        await self._database.write(partial(_finish, job, place, result))

    async def close(self, job: Job, hook: tuple[str, float] | None) -> None:
        """Write down the end of a job, and a webhook that is to tell of it (URL, time)."""
        await self._database.write(partial(_close, job, hook))

    async def results(self, job_id: str, before: int | None = None) -> dict[str, Json]:
        """Return what the steps that are done returned, by name, in order; only those `before` a place, if given."""
        return await self._database.read(partial(_results, job_id, before))

    async def forget_results(self, job: Job) -> None:
        """Take all steps as not done, and with that what has become of the job: its files are gone."""
        await self._database.write(partial(_forget, job))

    async def keep(self, job_id: str, step: str, name: str, media_id: str) -> str:
        """Write down which item a step is going to keep under a name; return the one that stands there already."""
        return await self._database.write(partial(_keep, (job_id, step, name), media_id))

    async def kept(self, job_id: str) -> list[str]:
        """Return the ids of the items that a job has kept, in order."""
        return await self._database.read(partial(_kept, job_id))


def _get(job_id: str, place: int, connection: Connection) -> WrittenStep:
    query = "SELECT name, words, weight, args, begun, failures, result FROM step WHERE job = ? AND place = ?"
    row = connection.execute(query, (job_id, place)).fetchone()
    if row is None:
        raise NotFound("There is no such step.")
    sums = connection.execute(
        "SELECT sum(weight), coalesce(sum(CASE WHEN result IS NOT NULL THEN weight END), 0), "
        "coalesce(min(CASE WHEN result IS NULL THEN place END), -1) FROM step WHERE job = ?",
        (job_id,),
    ).fetchone()
    name, words, weight, args, begun, failures, result = row
    return WrittenStep(
        step=Step(name, words, weight, json.loads(args)),
        begun=begun,
        failures=failures,
        is_done=result is not None,
        is_next=sums[2] == place,
        done_weight=sums[1],
        total_weight=sums[0],
    )


def _begin(job: Job, place: int, connection: Connection) -> None:
    connection.execute("UPDATE step SET begun = begun + 1 WHERE job = ? AND place = ?", (job.id, place))
    save(job, connection)


def _take_back(job_id: str, place: int, failed: bool, connection: Connection) -> None:
    connection.execute(
        "UPDATE step SET begun = CASE WHEN begun > 0 THEN begun - 1 ELSE 0 END, failures = failures + ? "
        "WHERE job = ? AND place = ?",
        (int(failed), job_id, place),
    )


def _finish(job: Job, place: int, result: Json, connection: Connection) -> None:
    connection.execute("UPDATE step SET result = ? WHERE job = ? AND place = ?", (dumps(dict(result)), job.id, place))
    save(job, connection)


def _close(job: Job, hook: tuple[str, float] | None, connection: Connection) -> None:
    save(job, connection)
    if hook is not None:
        url, now = hook
        connection.execute("INSERT INTO webhook (job, url, since, due_at) VALUES (?, ?, ?, ?)", (job.id, url, now, now))


def _results(job_id: str, before: int | None, connection: Connection) -> dict[str, Json]:
    query = "SELECT name, result FROM step WHERE job = ? AND result IS NOT NULL AND place < ? ORDER BY place"
    rows: Sequence[tuple[str, str]] = connection.execute(
        query, (job_id, 1 << 62 if before is None else before)
    ).fetchall()
    return {name: _object(result) for name, result in rows}


def _object(text: str) -> Mapping[str, Any]:
    found = json.loads(text)
    return found if isinstance(found, dict) else {}


def _forget(job: Job, connection: Connection) -> None:
    connection.execute("UPDATE step SET result = NULL, begun = 0, failures = 0 WHERE job = ?", (job.id,))
    connection.execute("DELETE FROM kept WHERE job = ?", (job.id,))
    save(job, connection)


def _keep(key: tuple[str, str, str], media_id: str, connection: Connection) -> str:
    connection.execute(_KEEP, (*key, media_id))
    row = connection.execute("SELECT media_id FROM kept WHERE job = ? AND step = ? AND name = ?", key).fetchone()
    found: str = row[0]
    return found


def _kept(job_id: str, connection: Connection) -> list[str]:
    rows = connection.execute("SELECT media_id FROM kept WHERE job = ? ORDER BY number", (job_id,))
    return [media_id for (media_id,) in rows]
