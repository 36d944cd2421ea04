"""All routes of this room."""

from __future__ import annotations

from fastapi import APIRouter

from app.status import health, limits, memory, page


def build_router() -> APIRouter:
    router = APIRouter()
    for part in (health.router, page.build_router(), memory.router, limits.router):
        router.include_router(part)
    return router
