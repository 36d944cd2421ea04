"""The tables of the book, and how jobs are written into their rows."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from typing import Any

from app.ffmpeg.probe import AudioStream, Probe, VideoStream
from app.jobs.job import Job, JobMemory
from app.jobs.states import JobState

SCHEMA = """
CREATE TABLE IF NOT EXISTS job (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, state TEXT NOT NULL,
    client TEXT NOT NULL, idempotency_key TEXT, finished_at REAL, document TEXT NOT NULL);
DROP INDEX IF EXISTS job_by_key;
CREATE INDEX IF NOT EXISTS job_by_idempotency_key ON job (idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX IF NOT EXISTS job_by_state ON job (state, number);
CREATE INDEX IF NOT EXISTS job_by_kind ON job (kind, number);
CREATE TABLE IF NOT EXISTS input (
    job TEXT NOT NULL, place INTEGER NOT NULL, media_id TEXT NOT NULL, probe TEXT,
    PRIMARY KEY (job, place)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS input_by_media ON input (media_id, job);
CREATE TABLE IF NOT EXISTS step (
    job TEXT NOT NULL, place INTEGER NOT NULL, name TEXT NOT NULL, words TEXT NOT NULL, weight REAL NOT NULL,
    args TEXT NOT NULL, begun INTEGER NOT NULL DEFAULT 0, failures INTEGER NOT NULL DEFAULT 0, result TEXT,
    PRIMARY KEY (job, place)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS kept (
    number INTEGER PRIMARY KEY AUTOINCREMENT, job TEXT NOT NULL, step TEXT NOT NULL, name TEXT NOT NULL,
    media_id TEXT NOT NULL, UNIQUE (job, step, name));
CREATE TABLE IF NOT EXISTS webhook (
    number INTEGER PRIMARY KEY AUTOINCREMENT, job TEXT NOT NULL, url TEXT NOT NULL, since REAL NOT NULL,
    due_at REAL NOT NULL, tries INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS webhook_by_time ON webhook (due_at);
"""

JOB_COLUMNS = "number, document"

_MEMBERS = [field.name for field in fields(Job) if field.name != "number"]


def encode(job: Job) -> dict[str, Any]:
    """Return the columns of a job's row, and those that it has only in a shared book (`cluster.tables`)."""
    document = {name: getattr(job, name) for name in _MEMBERS} | {"memory": asdict(job.memory)}
    return {
        "id": job.id,
        "kind": job.kind,
        "state": job.state.value,
        "client": job.client,
        "idempotency_key": job.idempotency_key,
        "finished_at": job.finished_at,
        "document": dumps(document),
        "run": job.run,
        "priority": job.priority,
        "predicted_bytes": job.memory.predicted_bytes,
        "sequence": job.sequence,
    }


def decode(row: tuple[int, str]) -> Job:
    """Return the job of a row (`JOB_COLUMNS`); members that a later version added are left out."""
    number, text = row
    document = json.loads(text)
    known = {name: document[name] for name in _MEMBERS if name in document}
    known |= {
        "state": JobState(known["state"]),
        "inputs": tuple(known["inputs"]),
        "memory": JobMemory(**known["memory"]),
    }
    return Job(number=number, **known)


def encode_probe(probe: Probe | None) -> str | None:
    return None if probe is None else dumps(asdict(probe))


def decode_probe(text: str | None) -> Probe | None:
    if text is None:
        return None
    members = json.loads(text)
    video, audio = members.pop("video"), members.pop("audio")
    return Probe(
        **members,
        video=None if video is None else VideoStream(**_known(VideoStream, video)),
        audio=None if audio is None else AudioStream(**_known(AudioStream, audio)),
    )


def dumps(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _known(cls: type[Any], members: dict[str, Any]) -> dict[str, Any]:
    names = {field.name for field in fields(cls)}
    return {name: value for name, value in members.items() if name in names}
