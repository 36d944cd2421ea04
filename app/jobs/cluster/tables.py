"""The tables of a book that several machines share (PostgreSQL), and the statements that are others there.

A job is `owner`'s (the name of an instance) from when that takes it from the queue; until then that is null. Each time
it changes hands its `run` rises, and who writes with a lower one writes nothing: an instance that slept, and whose jobs
went to others meanwhile, cannot spoil them. `is_wanted` is false once a client has cancelled it somewhere else.
`is_local`: what the step has made lies (in part) on the disk of the owner. Who is silent, and until when a webhook is
leased, goes by the database's clock; the moments of jobs are those of the machine that wrote them.
"""

from __future__ import annotations

from collections.abc import Mapping

from app.jobs.book.hooks import DUE
from app.jobs.book.jobs import INSERT, TURN, UPDATE
from app.jobs.states import FINISHED

NAME = "ballast"
"""The schema: beside it the jobs children keep theirs."""

FINISHED_STATES = ", ".join(f"'{state.value}'" for state in sorted(FINISHED))

LEASE_SECONDS = 300
"""For how long webhooks are one instance's to send: longer than they wait in its lanes (`webhooks.lanes`)."""

SCHEMA = f"""
CREATE SCHEMA IF NOT EXISTS {NAME};
CREATE TABLE {NAME}.job (
    number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL,
    state TEXT NOT NULL, client TEXT NOT NULL, idempotency_key TEXT, finished_at DOUBLE PRECISION,
    document TEXT NOT NULL, run INTEGER NOT NULL, priority INTEGER NOT NULL, predicted_bytes BIGINT NOT NULL,
    sequence BIGINT NOT NULL, owner TEXT, is_wanted BOOLEAN NOT NULL DEFAULT true);
CREATE UNIQUE INDEX job_by_key ON {NAME}.job (idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX job_by_state ON {NAME}.job (state, number);
CREATE INDEX job_by_kind ON {NAME}.job (kind, number);
CREATE INDEX job_by_owner ON {NAME}.job (owner)
    WHERE owner IS NOT NULL AND state NOT IN ({FINISHED_STATES});
CREATE INDEX job_by_turn ON {NAME}.job (priority DESC, number)
    WHERE owner IS NULL AND state NOT IN ({FINISHED_STATES});
CREATE TABLE {NAME}.input (
    job TEXT NOT NULL, place INTEGER NOT NULL, media_id TEXT NOT NULL, probe TEXT, PRIMARY KEY (job, place));
CREATE INDEX input_by_media ON {NAME}.input (media_id, job);
CREATE TABLE {NAME}.step (
    job TEXT NOT NULL, place INTEGER NOT NULL, name TEXT NOT NULL, words TEXT NOT NULL,
    weight DOUBLE PRECISION NOT NULL, args TEXT NOT NULL, begun INTEGER NOT NULL DEFAULT 0,
    failures INTEGER NOT NULL DEFAULT 0, result TEXT, is_local BOOLEAN NOT NULL DEFAULT true,
    PRIMARY KEY (job, place));
CREATE TABLE {NAME}.kept (
    number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, job TEXT NOT NULL, step TEXT NOT NULL,
    name TEXT NOT NULL, media_id TEXT NOT NULL, UNIQUE (job, step, name));
CREATE TABLE {NAME}.webhook (
    number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, job TEXT NOT NULL, url TEXT NOT NULL,
    since DOUBLE PRECISION NOT NULL, due_at DOUBLE PRECISION NOT NULL, tries INTEGER NOT NULL DEFAULT 0);
CREATE INDEX webhook_by_time ON {NAME}.webhook (due_at);
CREATE TABLE {NAME}.instance (
    name TEXT PRIMARY KEY, host TEXT NOT NULL, works BOOLEAN NOT NULL, seen_at TIMESTAMPTZ NOT NULL)
"""

_TURN = 0x62616C6E
"""Of the advisory lock under which jobs are entered: each counts those that the one before has entered."""

_MORE = ("run", "priority", "predicted_bytes", "sequence")
_AGAIN = f"is_wanted = is_wanted OR :state IN ({FINISHED_STATES})"


def reworded(statement: str, words: str, others: str) -> str:
    """Return a statement with other words in one place.

    Raises:
        ValueError: the words do not stand there just once: the statement has changed, and this one has to follow.
    """
    if statement.count(words) != 1:
        raise ValueError(f"{words!r} does not stand just once in {statement!r}")
    return statement.replace(words, others)


STATEMENTS: Mapping[str, str] = {
    INSERT: reworded(
        reworded(INSERT, ", document)", f", document, {', '.join(_MORE)})"),
        ", :document)",
        f", :document, {', '.join(f':{name}' for name in _MORE)})",
    ),
    UPDATE: reworded(
        UPDATE,
        " WHERE id = :id",
        f", {', '.join(f'{name} = :{name}' for name in _MORE)}, {_AGAIN} WHERE id = :id AND run <= :run",
    ),
    TURN: f"SELECT pg_advisory_xact_lock({_TURN})",
    DUE: f"UPDATE webhook SET due_at = extract(epoch FROM clock_timestamp()) + {LEASE_SECONDS} WHERE number IN "
    "(SELECT number FROM webhook WHERE due_at <= ? ORDER BY due_at LIMIT ? FOR UPDATE SKIP LOCKED) "
    "RETURNING number, job, url, since, tries",
}
