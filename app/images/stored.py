"""`GET /v1/media/{id}/image`: a stored picture, or a frame of a stored video, as a front end wants it."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any

from fastapi import APIRouter, Request
from fastapi.routing import APIRoute
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from app.errors import Forbidden, InvalidParameter, NotFound, PreconditionFailed, RangeNotSatisfiable
from app.http.guards import EXPIRES_KEY
from app.http.problems import GUARDED, problem_responses
from app.http.receipts import receipt_headers
from app.http.state import client_of
from app.images.answers import HIT_TIMING, server_timing
from app.images.derived import DerivedImage
from app.images.frames import check_time
from app.images.params import openapi_parameters
from app.images.pieces import pieces
from app.images.room import ImagesRoom
from app.images.routes import PROBLEMS, pictures_answer
from app.images.wishes import StoredQuery
from app.media.content import UntilSent
from app.media.openapi import answer, problems
from app.media.room import MediaRoom
from app.media.schema import ClipAnswer, MediaAnswer
from app.storage import ids

_VALIDITY = ("ETag", "Cache-Control")
_RESPONSES: dict[int | str, dict[str, Any]] = {
    201: {"model": MediaAnswer | ClipAnswer, "description": "With `store=true`: the result as a media item."},
    206: answer("The part of the picture that Range asks for.", "Content-Range", *_VALIDITY),
    304: answer("The client has it already.", *_VALIDITY),
    **problem_responses(*PROBLEMS, NotFound, PreconditionFailed),
    **problems(RangeNotSatisfiable, headers=("Content-Range", "Accept-Ranges")),
}


class StoredRoute(APIRoute):
    """Calls `endpoint(request, until_sent)` itself, past FastAPI's injection of dependencies (record 0022)."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] not in (self.methods or ()):
            await super().handle(scope, receive, send)
            return
        async with AsyncExitStack() as until_sent:
            response: Response = await self.endpoint(Request(scope, receive), until_sent)
            await response(scope, receive, send)


def build_router() -> APIRouter:
    """Return the route."""
    router = APIRouter(prefix="/v1/media", tags=["images"], responses=GUARDED)
    for method in ("GET", "HEAD"):
        router.add_api_route(
            "/{media_id}/image",
            read_image,
            methods=[method],
            name=f"{method.lower()}_image",
            summary="A stored picture, transformed; or a frame of a stored video",
            response_class=Response,
            responses={200: pictures_answer(*_VALIDITY, "Accept-Ranges"), **_RESPONSES},
            openapi_extra={
                "parameters": [
                    {"name": "media_id", "in": "path", "required": True, "schema": {"type": "string"}},
                    *openapi_parameters(StoredQuery),
                ]
            },
            route_class_override=StoredRoute,
        )
    return router


async def read_image(request: Request, until_sent: UntilSent) -> Response:
    """The same parameters as for `POST /v1/images`. What was made once is kept, and answered again at once."""
    media_id: str = request.path_params["media_id"]
    ids.kind_of(media_id)
    room: ImagesRoom = request.state.images
    wish = room.wishes.read(request.scope["query_string"], request.headers.get("accept", ""))
    if wish.storing.store:
        return await _stored(request, media_id, until_sent)
    wanted, effort = wish.derivation, room.effort
    found = room.derived.find_in_memory(media_id, wanted)
    if found is None:
        item = await request.state.media.store.get(media_id)
        wanted.check_item(item)
        if wanted.at_seconds is not None:
            check_time(item, wanted.at_seconds)
    if (unchanged := room.answers.not_modified(request, media_id, wanted, effort)) is not None:
        return unchanged
    if found is None and request.method == "HEAD":
        return room.answers.head(request, item, wanted, effort)
    if found is None:
        found = await until_sent.enter_async_context(room.derived.derive(media_id, wanted, await client_of(request)))
    return room.answers.picture(request, media_id, wanted, found)


async def _stored(request: Request, media_id: str, until_sent: AsyncExitStack) -> Response:
    """Keep the result as an item, and answer it as an upload is answered."""
    _refuse_strangers(request)
    room: ImagesRoom = request.state.images
    media: MediaRoom = request.state.media
    wish = room.wishes.read(request.scope["query_string"], request.headers.get("accept", ""))
    client = await client_of(request)
    derived = room.derived.find_in_memory(media_id, wish.derivation)
    async with AsyncExitStack() as until_kept:
        if derived is None:
            lent = room.derived.derive(media_id, wish.derivation, client)
            derived = await until_kept.enter_async_context(lent)
        chunks = pieces(derived.body, room.disk)
        item = await media.uploads.receive(chunks, wish.storing.name, derived.facts.size_bytes, client)
    body = await until_sent.enter_async_context(media.delivery.answer(item, wish.storing.inline, wish.storing.shape))
    headers = {
        "Location": f"/v1/media/{item.id}",
        "Content-Length": str(body.length_bytes),
        **_work_headers(derived),
    }
    return StreamingResponse(body.chunks, 201, headers, "application/json")


def _work_headers(derived: DerivedImage) -> dict[str, str]:
    timing = HIT_TIMING if derived.is_hit else server_timing(derived.facts.timing, "miss")
    return {"Server-Timing": timing, **receipt_headers(derived.facts.receipt)}


def _refuse_strangers(request: Request) -> None:
    """Make sure that this GET, which leaves something behind, was sent on purpose.

    A page of another origin can have a browser send any GET, as the address of a picture; browsers say so
    (Sec-Fetch-Site, Fetch Metadata).

    Raises:
        Forbidden: it comes from another site, or with a signature instead of a key.
        InvalidParameter: it is a HEAD.
    """
    if request.method != "GET":
        raise InvalidParameter("store: a HEAD stores nothing.")
    if EXPIRES_KEY in request.scope:
        raise Forbidden("A signed URL is for looking only: store=true needs a key.")
    if request.headers.get("sec-fetch-site") == "cross-site":
        raise Forbidden("store=true is not done for pages of another site.")
