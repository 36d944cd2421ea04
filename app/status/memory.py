"""The memory probe, its events, and what can be done about memory."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response, StreamingResponse

from app.domain.pressure import PressureLevel
from app.http.deps import GovernorDep, ServicesDep
from app.services import Services
from app.status.report import memory_report
from app.status.schema import AdviceSchema, MemorySchema, ReclaimerSchema, ReclaimReportSchema

router = APIRouter(tags=["memory"])

_KEEP_ALIVE_SECONDS = 15.0

Size = Annotated[int, Query(ge=0, le=1 << 50)]
Side = Annotated[int, Query(ge=0, le=1 << 20)]


@router.get("/metrics/memory", summary="The last memory sample and the ledger")
async def memory(services: ServicesDep) -> MemorySchema:
    return memory_report(services)


@router.get("/metrics", summary="Metrics in Prometheus' text format", response_class=Response)
async def metrics(services: ServicesDep) -> Response:
    # Not at module level: it takes 50 ms to import, and nobody may ever ask.
    from app.status.metrics import render

    body, content_type = render(services)
    return Response(body, media_type=content_type)


@router.post("/v1/memory/reclaim", summary="Free what can be freed now")
async def reclaim(governor: GovernorDep) -> ReclaimReportSchema:
    report = await governor.reclaim.reclaim(None)
    return ReclaimReportSchema(
        freed_bytes=sum(entry.freed_bytes for entry in report),
        reclaimers=[
            ReclaimerSchema(name=one.name, freed_bytes=one.freed_bytes, seconds=round(one.seconds, 4), error=one.error)
            for one in report
        ],
    )


@router.get("/v1/memory/advice", summary="How a piece of work would be done now")
async def advice(
    services: ServicesDep, width: Side = 0, height: Side = 0, nbytes: Annotated[Size, Query(alias="bytes")] = 0
) -> AdviceSchema:
    found = services.advisor.advise(nbytes, width, height)
    budget = services.governor.budget
    return AdviceSchema(
        level=services.governor.level.name,
        mode=found.policy.mode,
        fits=found.fits,
        needed_bytes=found.needed_bytes,
        free_bytes=max(0, budget.free_bytes),
        largest_grant_bytes=budget.limit_bytes,
        workers=found.workers,
        chunk_bytes=found.chunk_bytes,
        analysis_width=found.analysis.width,
        analysis_height=found.analysis.height,
        frame_stride=found.policy.frame_stride,
        ffmpeg_profile=found.policy.ffmpeg_profile,
    )


@router.get(
    "/v1/memory/events",
    summary="Server-sent events: the present level at once, then each change",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
)
async def events(services: ServicesDep) -> StreamingResponse:
    return StreamingResponse(
        _level_events(services), media_type="text/event-stream", headers={"Cache-Control": "no-store"}
    )


async def _level_events(services: Services) -> AsyncIterator[str]:
    levels: asyncio.Queue[PressureLevel | None] = asyncio.Queue()
    unsubscribe = services.governor.subscribe(levels.put_nowait)
    end = asyncio.create_task(_tell_end(services, levels))
    try:
        yield _level_event(services)
        while True:
            try:
                async with asyncio.timeout(_KEEP_ALIVE_SECONDS):
                    level = await levels.get()
            except TimeoutError:
                yield ": keep-alive\n\n"
                continue
            if level is None:
                return
            yield _level_event(services)
    finally:
        end.cancel()
        unsubscribe()


async def _tell_end(services: Services, levels: asyncio.Queue[PressureLevel | None]) -> None:
    await services.lifecycle.drained()
    levels.put_nowait(None)


def _level_event(services: Services) -> str:
    governor = services.governor
    data = {
        "level": governor.level.name,
        "mode": governor.mode,
        "pressure": round(governor.sample.pressure, 4),
        "workingSetBytes": governor.sample.working_set_bytes,
        "limitBytes": governor.sample.limit_bytes,
        "reasons": list(governor.reasons),
        "sampledAt": governor.sample.sampled_at.isoformat(),
    }
    return f"event: level\ndata: {json.dumps(data)}\n\n"
