"""The application: routes, middleware and lifespan put together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import fields
from typing import Any, Unpack

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from app import __version__
from app.bootstrap import Overrides, open_house
from app.http import problems
from app.http.documented import documented_routes
from app.http.guards import KeyGuard, OpenDoors, OriginGuard, RequestContext
from app.http.openapi import Document
from app.images import info_routes, stored
from app.images import routes as images
from app.jobs import routes as jobs
from app.media import routes as media
from app.media.method_override import MethodOverride
from app.media.tus_headers import PATH as UPLOADS_PATH
from app.server.linger import LingeringClose
from app.settings import Settings
from app.status import health, page
from app.status import routes as status
from app.status.greeting import greet
from app.storage.discovery import complete_settings
from app.vision import routes as vision

EXPOSED_HEADERS = [
    "Location",
    "ETag",
    "Retry-After",
    "X-Request-Id",
    "Ballast-Memory",
    "Ballast-Media-Id",
    "Ballast-Faces",
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


def create_app(settings: Settings | None = None, **overrides: Unpack[Overrides]) -> FastAPI:
    """Return the application. Its lifespan opens the house, and leaves nothing behind.

    A request finds what was opened in its state, under the names of `House`.

    Raises:
        pydantic.ValidationError: the settings (read from the environment if not given) are wrong.
    """
    settings = settings or complete_settings()()

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        async with open_house(settings, **overrides) as house:
            for one in documented_routes(app):
                house.core.traffic.expect(one.endpoint, one.template, one.method, one.statuses)
            greet(house.status)
            yield {field.name: getattr(house, field.name) for field in fields(house)}

    app = FastAPI(
        title="Ballast",
        description="An HTTP media service that cannot run out of memory.",
        version=__version__,
        lifespan=lifespan,
        redirect_slashes=False,
        docs_url=None,  # FastAPI's pages load their scripts from elsewhere; ours is in `status/page`
        redoc_url=None,
        openapi_url=None,  # `http.openapi` answers it
        generate_unique_id_function=lambda route: route.name,  # what methods of generated clients are called
    )
    problems.install(app)
    app.include_router(health.router)  # first: each router is asked in turn, and nobody is asked as often as this one
    for build_router in (
        stored.build_router,
        vision.build_router,
        images.build_router,
        info_routes.build_router,
        media.build_router,
        jobs.build_router,
        status.build_router,
    ):  # tried in this order
        app.include_router(build_router())
    app.openapi = document = Document(app)  # type: ignore[method-assign]  # FastAPI's own way to change it
    app.add_route("/openapi.json", document.answer, include_in_schema=False)
    _add_middleware(app, settings)
    return app


def _add_middleware(app: FastAPI, settings: Settings) -> None:
    """Add the layers. The last one added is the first to see a request."""
    app.add_middleware(MethodOverride, path=UPLOADS_PATH)
    doors = OpenDoors(page.OPEN_PREFIXES, frozenset(page.OPEN_PATHS))
    app.add_middleware(KeyGuard, settings=settings.server, doors=doors)
    app.add_middleware(
        CORSMiddleware,
        allow_origins=settings.server.origins,
        allow_methods=["*"],
        allow_headers=["*"],
        expose_headers=EXPOSED_HEADERS,
        max_age=600,
    )
    app.add_middleware(OriginGuard, settings=settings.server, doors=doors)
    app.add_middleware(RequestContext)
    app.add_middleware(LingeringClose)
