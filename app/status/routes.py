"""The routes of this room, but for the probes."""

from __future__ import annotations

from fastapi import APIRouter

from app.status import limits, memory, page


def build_router() -> APIRouter:
    router = APIRouter()
    for part in (page.build_router(), memory.router, limits.router):
        router.include_router(part)
    return router
