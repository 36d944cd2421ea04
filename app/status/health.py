"""Health probes: no key, no work. Pressure fails readiness, never liveness."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.responses import JSONResponse

from app.http.state import opened
from app.status.room import StatusRoom
from app.status.service_schema import HealthSchema, ReadinessSchema

router = APIRouter(prefix="/health", tags=["health"])

_RETRY_SECONDS = "5"
"""What is in the way passes in seconds, or when somebody mends it."""

StatusDep = Annotated[StatusRoom, Depends(opened("status"))]


@router.head("/live", operation_id="head_live")
@router.get("/live", summary="Whether the event loop runs")
async def live() -> HealthSchema:
    return HealthSchema(status="live")


@router.head("/startup", operation_id="head_startup")
@router.get("/startup", summary="Whether the service has started")
async def startup(status: StatusDep) -> HealthSchema:
    del status  # it is there: the start is over
    return HealthSchema(status="started")


@router.head("/ready", operation_id="head_ready")
@router.get(
    "/ready",
    summary="Whether new work is welcome",
    response_model=ReadinessSchema,
    responses={503: {"model": ReadinessSchema, "description": "Not now; `reasons` says why."}},
)
async def ready(status: StatusDep) -> JSONResponse:
    reasons = status.reasons()
    if reasons:
        return JSONResponse({"status": "not ready", "reasons": reasons}, 503, {"Retry-After": _RETRY_SECONDS})
    return JSONResponse({"status": "ready", "reasons": []})
