"""JSON shapes of jobs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from pydantic import Field, JsonValue

from app.http.schema import Schema
from app.jobs.job import Job
from app.jobs.states import JobState
from app.media.schema import MediaItemSchema, Moment


class JobMemorySchema(Schema):
    """What its steps take: the largest prediction, the largest peak that was seen, and how ffmpeg was run."""

    predicted_bytes: int
    peak_bytes: int
    profile: str | None
    retries: int


class JobResultSchema(Schema):
    """What a job that succeeded has made. Items that were deleted since are left out."""

    media: list[MediaItemSchema]
    summary: dict[str, JsonValue]


class JobSchema(Schema):
    """One job. Null: not known, or not there yet."""

    id: str
    kind: str
    state: JobState
    input: str | list[str] = Field(description="The id of its input, or the first 100 ids.")
    input_count: int
    params: dict[str, JsonValue]
    priority: int
    progress: float = Field(ge=0, le=1)
    step: str = Field(description="What is being done, in words.")
    eta_seconds: float | None
    created_at: Moment
    started_at: Moment | None = Field(description="When its last run began; null while it, or a retry, waits.")
    finished_at: Moment | None
    attempts: int = Field(description="How often it was begun: by itself after a failure, or by a retry.")
    result: JobResultSchema | None
    error: dict[str, JsonValue] | None = Field(description="The problem with which it failed.")
    memory: JobMemorySchema
    machine: str
    events_url: str = Field(description="Where its events are, for EventSource: signed where keys are set.")
    webhook: str | None = Field(description="Where it is posted when it ends; secrets in the URL are not shown.")
    idempotency_key: str | None


class JobListSchema(Schema):
    items: list[JobSchema]
    next_cursor: str | None = Field(description="Give it as `cursor` to get the next page; null: there is none.")


class PredictionSchema(Schema):
    """What a job of this kind would take of one input. `problem`: why it could not be done."""

    predicted_bytes: int | None
    disk_bytes: int | None
    steps: int | None
    chunk_seconds: float | None = Field(
        description="How much of the input is worked on in one step; null: it is not cut into parts."
    )
    profile: str | None
    problem: dict[str, JsonValue] | None


class JobKindSchema(Schema):
    name: str
    summary: str
    max_inputs: int
    parameters: dict[str, JsonValue] = Field(description="Their JSON schema.")
    prediction: PredictionSchema | None = Field(description="Where `input` was given.")


class JobKindListSchema(Schema):
    kinds: list[JobKindSchema]


def job_schema(job: Job, result: JobResultSchema | None, urls: tuple[str, str | None]) -> JobSchema:
    """Return a job as clients see it; `urls`: of its events, and of its webhook without what is secret."""
    return JobSchema(
        id=job.id,
        kind=job.kind,
        state=job.state,
        input=list(job.inputs) if job.is_list else job.inputs[0],
        input_count=job.input_count,
        params=dict(job.params),
        priority=job.priority,
        progress=job.progress,
        step=job.step,
        eta_seconds=job.eta_seconds,
        created_at=_moment(job.created_at),
        started_at=None if job.started_at is None else _moment(job.started_at),
        finished_at=None if job.finished_at is None else _moment(job.finished_at),
        attempts=job.attempts,
        result=result,
        error=None if job.error is None else dict(job.error),
        memory=JobMemorySchema.model_validate(job.memory),
        machine=job.machine,
        events_url=urls[0],
        webhook=urls[1],
        idempotency_key=job.idempotency_key,
    )


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def parameters_of(model: Any) -> dict[str, Any]:
    """Return the JSON schema of a kind's parameters."""
    schema: dict[str, Any] = model.model_json_schema(by_alias=True)
    return schema
