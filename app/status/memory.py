"""The memory probe, its events, and what can be done about memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import suppress
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel, Field
from starlette.responses import Response

from app.derived.cache import DerivedStatistics
from app.errors import InvalidParameter, NotFound, Overloaded, TooManyRequests
from app.http.problems import GUARDED, problem_responses
from app.http.state import ClientDep, opened
from app.memory.budget import BudgetStatistics
from app.memory.governor import Governor
from app.server.lifecycle import Lifecycle
from app.status.history import INTERVAL_SECONDS, INTERVALS
from app.status.job_advice import job_advice
from app.status.room import StatusRoom
from app.status.schema import AdviceSchema, HistorySchema, LevelSchema, MemorySchema, ReclaimReportSchema

router = APIRouter(tags=["memory"], responses=GUARDED)

StatusDep = Annotated[StatusRoom, Depends(opened("status"))]
Size = Annotated[int, Query(ge=0, le=1 << 50)]
Side = Annotated[int, Query(ge=0, le=1 << 20)]


class AdviceQuery(BaseModel):
    """Of which piece of work."""

    nbytes: Size = Field(0, alias="bytes")
    width: Side = 0
    height: Side = 0
    media: str | None = Field(None, max_length=64, description="The id of a stored item.")
    kind: str | None = Field(None, max_length=64, description="A kind of job.")


@router.get("/metrics/memory", summary="The last memory sample and the ledger")
async def memory(status: StatusDep) -> MemorySchema:
    return memory_report(status)


@router.get("/metrics", summary="Metrics in Prometheus' text format, or as OpenMetrics", response_class=Response)
async def metrics(request: Request, status: StatusDep) -> Response:
    # Not at module level: it takes 50 ms to import, and nobody may ever ask.
    from app.status.metrics import render

    body, content_type = render(status, request.headers.get("accept", ""))
    return Response(body, headers={"Content-Type": content_type})


@router.post("/v1/memory/reclaim", summary="Free what can be freed now")
async def reclaim(status: StatusDep) -> ReclaimReportSchema:
    report = await status.core.governor.reclaim.reclaim(None)
    freed_bytes = sum(entry.freed_bytes for entry in report)
    return ReclaimReportSchema.model_validate({"freed_bytes": freed_bytes, "reclaimers": report})


@router.get(
    "/v1/memory/advice",
    summary="How a piece of work would be done now",
    responses=problem_responses(NotFound, InvalidParameter, Overloaded),
)
async def advice(query: Annotated[AdviceQuery, Query()], status: StatusDep, client: ClientDep) -> AdviceSchema:
    """Tell it of a file by its size, or with `media` and `kind` of a job on a stored item."""
    advised = status.advisor.advise(query.nbytes, query.width, query.height)
    if query.media is None and query.kind is None:
        return advised
    if query.media is None or query.kind is None:
        raise InvalidParameter("media, kind: give both, or neither.")
    kind = status.jobs.submissions.kind(query.kind)
    (plan,) = await status.jobs.submissions.predict([kind], query.media, client)
    return advised.model_copy(update={"job": job_advice(query.kind, plan, advised, status.jobs)})


@router.get("/v1/memory/history", summary="The last hour: the peak of each 5 s, who held what then, and what happened")
async def history(
    status: StatusDep,
    seconds: Annotated[int, Query(ge=1, le=INTERVAL_SECONDS * INTERVALS)] = INTERVAL_SECONDS * INTERVALS,
) -> HistorySchema:
    view = status.history.view(seconds)
    return HistorySchema.model_validate(
        {"interval_seconds": INTERVAL_SECONDS, **{name: getattr(view, name) for name in view.__slots__}},
        from_attributes=True,
    )


async def _listener(status: StatusDep, client: ClientDep) -> AsyncIterator[None]:
    with status.audience.admit(client):
        yield


@router.get(
    "/v1/memory/events",
    summary="Server-sent events: the present level at once, then each change",
    response_class=EventSourceResponse,
    responses=problem_responses(TooManyRequests, Overloaded),
    dependencies=[Depends(_listener, scope="request")],
)
async def events(
    status: StatusDep,
    every_seconds: Annotated[float | None, Query(alias="everySeconds", ge=0.5, le=60)] = None,
) -> AsyncIterator[LevelSchema]:
    """With `everySeconds` the present level is sent again after so long a silence.

    So a service that is frozen, and closes nothing, is noticed by who listens.
    """
    async for level in levels(status.core.governor, status.core.lifecycle, every_seconds):
        # By the annotation FastAPI describes what is in an event's data.
        yield ServerSentEvent(event="level", data=level.model_dump(mode="json", by_alias=True))  # type: ignore[misc]


async def levels(
    governor: Governor, lifecycle: Lifecycle, every_seconds: float | None = None
) -> AsyncGenerator[LevelSchema]:
    """Give the present level, then the one after each change or after `every_seconds` of none, until the service ends.

    Who takes one late is given the newest: nothing is kept for a listener that does not read.
    """
    changed = asyncio.Event()
    unsubscribe = governor.subscribe(lambda _: changed.set())
    end = asyncio.create_task(lifecycle.drained())
    end.add_done_callback(lambda _: changed.set())
    try:
        while not end.done():
            changed.clear()
            yield _level(governor)
            with suppress(TimeoutError):
                await asyncio.wait_for(changed.wait(), every_seconds)
    finally:
        end.cancel()
        unsubscribe()


def memory_report(status: StatusRoom) -> MemorySchema:
    """Return everything that is known about memory, as one document: no system call, no lock, no wait."""
    core, governor = status.core, status.core.governor
    sample, statistics = governor.sample, governor.budget.statistics()
    reclaimed, uploads, last = governor.reclaim.statistics(), status.media.uploads.statistics(), governor.last_oom
    resident_bytes = sum(holder.resident_bytes for holder in statistics.holders)
    return MemorySchema.model_validate(
        {
            **_level(governor).model_dump(),
            "limit_source": sample.limit_source,
            "available_bytes": sample.available_bytes,
            "host_available_bytes": sample.host_available_bytes,
            "psi": sample.psi,
            "budget": _budget(statistics),
            "unaccounted_bytes": sample.working_set_bytes - resident_bytes,
            "processes": _processes(governor),
            "models": status.vision.vision.statuses(),
            "cache": _cache(core.cache.statistics()),
            "temp_files": core.store.temp_files.statistics(),
            "uploads": {"active": uploads.active, "bytes": uploads.received_bytes},
            "streams": status.vision.streams.counters,
            "reclaimed": {"runs": reclaimed.runs, "bytes": reclaimed.freed_bytes, "last_at": reclaimed.last_at},
            "gc": governor.trimmer.statistics(),
            "forecast": governor.forecast.statistics(),
            "last_oom": None if last is None else {"evidence": last.evidence, **last.snapshot},
            "oom_kills": sample.oom_kills,
            "oom_group": sample.oom_group,
            "sandbox": {**status.vision.vision.sandbox(), "imaging": status.images.images.children.sandbox},
        },
        from_attributes=True,
    )


def _level(governor: Governor) -> LevelSchema:
    sample = governor.sample
    return LevelSchema(
        level=governor.level.name,
        mode=governor.mode,
        pressure=sample.pressure,
        reasons=list(governor.reasons),
        working_set_bytes=sample.working_set_bytes,
        limit_bytes=sample.limit_bytes,
        sampled_at=sample.sampled_at,
    )


def _budget(statistics: BudgetStatistics) -> dict[str, object]:
    return {
        "total_bytes": statistics.total_bytes,
        "reserved_bytes": statistics.reserved_bytes,
        "free_bytes": statistics.free_bytes,
        "waiting": statistics.waiting,
        "granted_total": statistics.granted_total,
        "shed_total": sum(statistics.shed_total.values()),
        "shed_by_reason": statistics.shed_total,
        "holders": statistics.holders,
    }


def _cache(statistics: DerivedStatistics) -> dict[str, object]:
    memory = statistics.memory
    return {
        "entries": memory.entries,
        "size_bytes": memory.size_bytes,
        "limit_bytes": memory.limit_bytes,
        "hits": statistics.hits,
        "misses": statistics.misses,
        "hit_rate": statistics.hit_rate,
        "evictions": memory.evictions,
        "by_source": memory.by_source,
        "files": statistics.files,
    }


def _processes(governor: Governor) -> list[dict[str, object]]:
    return [
        {
            "pid": process.pid,
            "role": governor.role(process.pid),
            "owner": governor.owner(process.pid),
            "rss_bytes": process.rss_bytes,
            "uss_bytes": process.uss_bytes,
            "peak_rss_bytes": process.peak_rss_bytes,
        }
        for process in governor.sample.processes
    ]
