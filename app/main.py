"""The application: routes, middleware and lifespan put together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypedDict, Unpack

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from app import __version__
from app.bootstrap import Overrides, open_services
from app.errors import Forbidden, InvalidParameter, Unauthorized
from app.http import problems
from app.http.guards import KeyGuard, OriginGuard, RequestContext
from app.http.openapi import Document
from app.http.problems import problem_responses
from app.http.shortcut import Shortcuts
from app.media import routes as media
from app.media import tus
from app.server.linger import LingeringClose
from app.services import Services
from app.settings import Settings
from app.status import health, limits, memory, page
from app.storage.discovery import complete_settings
from app.vision import batch, stream
from app.vision import routes as vision
from app.vision.task import vision_tasks

EXPOSED_HEADERS = [
    "Location",
    "ETag",
    "Retry-After",
    "X-Request-Id",
    "Ballast-Memory",
    "Ballast-Media-Id",
    "Upload-Offset",
    "Upload-Length",
    "Upload-Expires",
    "Upload-Metadata",
    "Upload-Defer-Length",
    "Upload-Concat",
    "Tus-Resumable",
    "Tus-Version",
    "Tus-Extension",
    "Tus-Max-Size",
    "Tus-Checksum-Algorithm",
]


class State(TypedDict):
    """What the lifespan hands to every request."""

    services: Services


def create_app(settings: Settings | None = None, **overrides: Unpack[Overrides]) -> FastAPI:
    """Return the application; its lifespan opens the services and leaves nothing behind.

    Raises:
        pydantic.ValidationError: the settings (read from the environment if not given) are wrong.
    """
    settings = settings or complete_settings()()

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[State]:
        async with open_services(settings, **overrides) as services:
            yield {"services": services}

    app = FastAPI(
        title="Ballast",
        description="An HTTP media service that cannot run out of memory.",
        version=__version__,
        lifespan=lifespan,
        redirect_slashes=False,
    )
    problems.install(app)
    tasks = vision_tasks()
    app.include_router(health.router)
    app.include_router(page.build_router())
    shortcuts = vision.build_shortcuts(tasks)
    vision_routers = (batch.build_router(tasks), vision.build_router(tasks, shortcuts), stream.build_router(tasks))
    for router in (memory.router, limits.router, media.router, tus.router, *vision_routers):
        app.include_router(router, responses=problem_responses(Unauthorized, Forbidden, InvalidParameter))
    app.openapi = Document(app)  # type: ignore[method-assign]  # FastAPI's own way to change the document
    app.add_middleware(Shortcuts, shortcuts=shortcuts)
    _add_middleware(app, settings)
    return app


def _add_middleware(app: FastAPI, settings: Settings) -> None:
    """Add the layers; the last one added is the first to see a request."""
    open_prefixes = ["/health/", *page.OPEN_PREFIXES]
    if settings.server.loopback:
        open_prefixes.append("/metrics")
    app.add_middleware(KeyGuard, settings=settings.server, open_prefixes=open_prefixes, open_paths=page.OPEN_PATHS)
    app.add_middleware(
        CORSMiddleware,
        allow_origins=settings.server.origins,
        allow_methods=["*"],
        allow_headers=["*"],
        expose_headers=EXPOSED_HEADERS,
        max_age=600,
    )
    app.add_middleware(OriginGuard, settings=settings.server)
    app.add_middleware(RequestContext)
    app.add_middleware(LingeringClose)
