"""Health probes: no key, no work. Pressure fails readiness, never liveness."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import JSONResponse

from app.domain.pressure import PressureLevel
from app.http.deps import ServicesDep

router = APIRouter(prefix="/health", tags=["health"])


@router.get("/live", summary="Whether the event loop runs")
async def live() -> dict[str, str]:
    return {"status": "live"}


@router.get("/startup", summary="Whether the service has started")
async def startup(services: ServicesDep) -> dict[str, str]:
    del services  # they are there: the start is over
    return {"status": "started"}


@router.get(
    "/ready",
    summary="Whether new work is welcome",
    response_model=None,
    responses={503: {"description": "Not now; `reasons` says why."}},
)
async def ready(services: ServicesDep) -> JSONResponse:
    reasons = list(services.vision.troubles())
    if services.governor.level >= PressureLevel.CRITICAL:
        reasons += [f"memory is critical: {reason}" for reason in services.governor.reasons]
    if services.lifecycle.draining:
        reasons.append("the service is shutting down")
    if reasons:
        return JSONResponse({"status": "not ready", "reasons": reasons}, 503)
    return JSONResponse({"status": "ready", "reasons": []})
