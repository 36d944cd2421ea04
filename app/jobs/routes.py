"""`/v1/jobs`: submit, list, follow, cancel, retry and delete jobs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, HTTPException, Query, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.convertors import StringConvertor, register_url_convertor
from starlette.responses import Response, StreamingResponse

from app.errors import (
    BadRequest,
    Conflict,
    InvalidMedia,
    InvalidParameter,
    MemoryExceedsLimit,
    ModelMissing,
    NotFound,
    Overloaded,
    PayloadTooLarge,
    ProcessingTimeout,
    QueueFull,
    RequestTimeout,
    StorageFull,
    StorageUnavailable,
    TooManyPixels,
    TooManyRequests,
    UnsupportedMedia,
    WorkerFailed,
)
from app.http.body import plain_body
from app.http.problems import GUARDED, problem_responses
from app.http.state import ClientDep, opened
from app.jobs.order_form import MOST_BYTES, OrderForm, read_form
from app.jobs.predictions import foresee, predict
from app.jobs.room import JobsRoom
from app.jobs.schema import JobKindListSchema, JobKindSchema, JobListSchema, JobSchema, PredictionSchema, parameters_of
from app.jobs.states import JobState
from app.media.content import UntilSent
from app.media.delivery import Inline
from app.media.transfers import DOWNLOAD


class _JobId(StringConvertor):
    """Any name but that of our own address: `DELETE /v1/jobs/kinds` is a wrong method, not a job that is not there."""

    regex = "(?!(?:kinds|prediction)(?:/|$))[^/]+"


register_url_convertor("job_id", _JobId())

router = APIRouter(prefix="/v1/jobs", tags=["jobs"], responses=GUARDED)

JobsDep = Annotated[JobsRoom, Depends(opened("jobs"))]

_ONE = problem_responses(NotFound, StorageUnavailable)

_SUBMITTED: dict[int | str, dict[str, Any]] = {
    202: {
        "description": "The job: it is done as soon as it is its turn.",
        "headers": {"Location": {"description": "Where it is.", "schema": {"type": "string"}}},
    },
    **problem_responses(
        BadRequest,
        NotFound,
        RequestTimeout,
        Conflict,
        PayloadTooLarge,
        TooManyPixels,
        MemoryExceedsLimit,
        UnsupportedMedia,
        InvalidParameter,
        InvalidMedia,
        QueueFull,
        WorkerFailed,
        Overloaded,
        ModelMissing,
        StorageUnavailable,
        ProcessingTimeout,
        StorageFull,
    ),
}

_FORESEEN = problem_responses(BadRequest, RequestTimeout, PayloadTooLarge, UnsupportedMedia, InvalidParameter)

_FORM = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"title": "JobOrder", **OrderForm.model_json_schema()}}},
    }
}


@router.post("", status_code=202, response_model=JobSchema, responses=_SUBMITTED, openapi_extra=_FORM)
async def submit_job(request: Request, jobs: JobsDep, client: ClientDep) -> Response:
    """Submit a job: it goes on by itself, and survives a crash of the service."""
    job = await jobs.submissions.submit(await _form_of(request, jobs), client)
    return _answer(await jobs.answers.describe(job), 202, {"Location": f"/v1/jobs/{job.id}"})


@router.post("/prediction", responses=_FORESEEN, openapi_extra=_FORM)
async def foresee_job(request: Request, jobs: JobsDep, client: ClientDep) -> PredictionSchema:
    """Say what a job would take as it is ordered, or in `problem` why it could not be done; nothing is submitted."""
    return await foresee(jobs, await _form_of(request, jobs), client)


@router.get("", summary="Jobs, newest first", responses=problem_responses(StorageUnavailable))
async def list_jobs(
    jobs: JobsDep,
    state: JobState | None = None,
    kind: Annotated[str | None, Query(max_length=64)] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    cursor: Annotated[str | None, Query(max_length=20)] = None,
) -> JobListSchema:
    page = await jobs.desk.page(limit, cursor, state, kind)
    return JobListSchema(items=[await jobs.answers.describe(job) for job in page.jobs], next_cursor=page.next_cursor)


@router.get("/kinds", summary="What jobs there are, and what they would take", responses=_ONE)
async def list_job_kinds(
    jobs: JobsDep,
    client: ClientDep,
    media_id: Annotated[
        str | None, Query(alias="input", max_length=64, description="Say what each would take of this item.")
    ] = None,
) -> JobKindListSchema:
    kinds = list(jobs.submissions.kinds.values())
    foreseen = [None for _ in kinds] if media_id is None else await predict(jobs, kinds, media_id, client)
    found = [
        JobKindSchema(
            name=kind.name,
            summary=kind.summary,
            max_inputs=kind.max_inputs,
            parameters=parameters_of(kind.params),
            prediction=prediction,
        )
        for kind, prediction in zip(kinds, foreseen, strict=True)
    ]
    return JobKindListSchema(kinds=found)


@router.get(
    "/{job_id:job_id}",
    response_model=JobSchema,
    responses=problem_responses(NotFound, QueueFull, Overloaded, StorageUnavailable),
)
async def get_job(
    job_id: str,
    jobs: JobsDep,
    client: ClientDep,
    until_sent: UntilSent,
    inline: Annotated[Inline, Query(description="`auto`: with the bytes of small results.")] = Inline.NEVER,
) -> Response:
    """Return one job; with `inline=auto` its results with their bytes, where they are few."""
    job = await jobs.desk.get(job_id)
    if inline is Inline.NEVER:
        return _answer(await jobs.answers.describe(job), 200, {})
    await until_sent.enter_async_context(jobs.transfers.admit(DOWNLOAD, client))
    return StreamingResponse(jobs.answers.with_bytes(job), media_type="application/json")


LastEventId = Annotated[str | None, Header(max_length=20, description="The last event that was seen.")]


async def _listener(
    jobs: JobsDep, client: ClientDep, job_id: str, last_event_id: LastEventId = None
) -> AsyncIterator[None]:
    """Give a listener its place. One that is not there is refused, and one with nothing to come sent away for good
    (204: HTML standard, "server-sent events"), before the answer begins: an EventSource would come back for ever."""
    job = await jobs.desk.get(job_id)
    if job.state.is_finished and _number(last_event_id) == job.sequence:
        raise HTTPException(204)
    with jobs.audience.admit(client):
        yield


@router.get(
    "/{job_id:job_id}/events",
    summary="Server-sent events: the present state at once, then each change, until the job ends",
    response_class=EventSourceResponse,
    responses={
        204: {"description": "The job has ended, and `Last-Event-ID` is its last event: do not connect again."},
        **problem_responses(NotFound, TooManyRequests, Overloaded, StorageUnavailable),
    },
    dependencies=[Depends(_listener, scope="request")],
)
async def follow_job(job_id: str, jobs: JobsDep, last_event_id: LastEventId = None) -> AsyncIterator[JobSchema]:
    async for event in jobs.answers.events(job_id, _number(last_event_id)):
        # By the annotation FastAPI describes what is in an event's data.
        data = event.job.model_dump(mode="json", by_alias=True)
        yield ServerSentEvent(event=event.name, id=str(event.number), data=data)  # type: ignore[misc]


@router.post("/{job_id:job_id}/cancel", responses=_ONE)
async def cancel_job(job_id: str, jobs: JobsDep) -> JobSchema:
    """End a job: nothing runs for it any more, and its files are gone. One that is finished stays as it is."""
    return await jobs.answers.describe(await jobs.desk.cancel(job_id))


@router.post(
    "/{job_id:job_id}/retry",
    status_code=202,
    responses={**_ONE, **problem_responses(NotFound, Conflict, StorageUnavailable)},
)
async def retry_job(job_id: str, jobs: JobsDep) -> JobSchema:
    """Have a failed or cancelled job begin again, at the first step that is not done."""
    return await jobs.answers.describe(await jobs.desk.retry(job_id))


@router.delete("/{job_id:job_id}", status_code=204, responses=problem_responses(NotFound, Conflict, StorageUnavailable))
async def delete_job(
    job_id: str,
    jobs: JobsDep,
    results: Annotated[bool, Query(description="Delete the items too that it has made.")] = False,
) -> Response:
    """Forget a finished job."""
    await jobs.desk.delete(job_id, with_results=results)
    return Response(status_code=204)


def build_router() -> APIRouter:
    return router


async def _form_of(request: Request, jobs: JobsRoom) -> OrderForm:
    body = plain_body(request, max_bytes=MOST_BYTES, idle_seconds=jobs.body_idle_seconds)
    return read_form(b"".join([chunk async for chunk in body]))


def _number(last_event_id: str | None) -> int | None:
    return int(last_event_id) if last_event_id is not None and last_event_id.isdecimal() else None


def _answer(document: JobSchema, status: int, headers: dict[str, str]) -> Response:
    return Response(document.model_dump_json(by_alias=True), status, headers, "application/json")
