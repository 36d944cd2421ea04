"""Health probes: no key, no work. Pressure fails readiness, never liveness."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.responses import JSONResponse

from app.domain.pressure import PressureLevel
from app.http.state import opened
from app.status.room import StatusRoom

router = APIRouter(prefix="/health", tags=["health"])

StatusDep = Annotated[StatusRoom, Depends(opened("status"))]


@router.get("/live", summary="Whether the event loop runs")
async def live() -> dict[str, str]:
    return {"status": "live"}


@router.get("/startup", summary="Whether the service has started")
async def startup(status: StatusDep) -> dict[str, str]:
    del status  # it is there: the start is over
    return {"status": "started"}


@router.get(
    "/ready",
    summary="Whether new work is welcome",
    response_model=None,
    responses={503: {"description": "Not now; `reasons` says why."}},
)
async def ready(status: StatusDep) -> JSONResponse:
    reasons = [*status.vision.vision.troubles(), *status.images.images.children.troubles]
    if status.core.governor.level >= PressureLevel.CRITICAL:
        reasons += [f"memory is critical: {reason}" for reason in status.core.governor.reasons]
    if status.core.lifecycle.draining:
        reasons.append("the service is shutting down")
    if reasons:
        return JSONResponse({"status": "not ready", "reasons": reasons}, 503)
    return JSONResponse({"status": "ready", "reasons": []})
