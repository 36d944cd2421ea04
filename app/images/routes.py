"""Images over HTTP: one picture in, what is made of it out."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response, StreamingResponse

from app.errors import (
    BadRequest,
    InvalidMedia,
    InvalidParameter,
    MemoryExceedsLimit,
    ModelMissing,
    Overloaded,
    PayloadTooLarge,
    ProcessingTimeout,
    QueueFull,
    RequestTimeout,
    StorageFull,
    StorageUnavailable,
    TooManyPixels,
    UnsupportedMedia,
    WorkerFailed,
)
from app.http.bodies import file_body
from app.http.body import incoming_file
from app.http.problems import GUARDED, problem_responses
from app.http.receipts import receipt_headers
from app.http.state import ClientDep, opened
from app.images.answers import FACES, image_response, server_timing
from app.images.conversion import CONTENT_TYPES, Conversion
from app.images.framing import MAX_RESULT_PIXELS, MAX_SIDE
from app.images.params import described, openapi_parameters, read_query, single_values
from app.images.pipeline import OPERATIONS
from app.images.rendered import RenderedImage
from app.images.room import ImagesRoom
from app.images.schema import ImageOperationSchema, ImageOperationsSchema
from app.images.transform import Transform
from app.images.wishes import STORING, StoreQuery, TransformQuery
from app.media.content import UntilSent
from app.media.openapi import answer
from app.media.room import MediaRoom
from app.media.schema import ClipAnswer, MediaAnswer

ImagesDep = Annotated[ImagesRoom, Depends(opened("images"))]
MediaDep = Annotated[MediaRoom, Depends(opened("media"))]

CONVERT = "convert"
"""The last step, which is no plug-in."""

PROBLEMS = (
    BadRequest,
    RequestTimeout,
    PayloadTooLarge,
    TooManyPixels,
    MemoryExceedsLimit,
    UnsupportedMedia,
    InvalidMedia,
    InvalidParameter,
    QueueFull,
    WorkerFailed,
    Overloaded,
    ModelMissing,
    ProcessingTimeout,
    StorageFull,
    StorageUnavailable,
)


def build_router() -> APIRouter:
    """Return all routes of this room."""
    router = APIRouter(prefix="/v1/images", tags=["images"], responses=GUARDED)
    router.add_api_route(
        "/operations",
        list_operations,
        methods=["GET"],
        response_model=ImageOperationsSchema,
        summary="What can be done to a picture, and in which order it is",
    )
    router.add_api_route(
        "",
        _transform,
        methods=["POST"],
        name="transform_image",
        summary="Transform one picture",
        response_class=Response,
        responses={200: pictures_answer(), 201: {"model": MediaAnswer | ClipAnswer}, **problem_responses(*PROBLEMS)},
        openapi_extra={**file_body("The picture"), "parameters": openapi_parameters(TransformQuery)},
    )
    return router


async def list_operations() -> ImageOperationsSchema:
    steps = [(one.name, one.summary, one.Params) for one in OPERATIONS]
    steps.append((CONVERT, "answer it in a format, without its metadata", Conversion))
    return ImageOperationsSchema(
        order=[name for name, _, _ in steps],
        operations=[
            ImageOperationSchema(name=name, summary=summary, parameters=described(params))
            for name, summary, params in steps
        ],
        formats=list(CONTENT_TYPES),
        max_width=MAX_SIDE,
        max_height=MAX_SIDE,
        max_pixels=MAX_RESULT_PIXELS,
    )


async def _transform(
    request: Request, room: ImagesDep, media: MediaDep, client: ClientDep, until_sent: UntilSent
) -> Response:
    """The picture is upright, in sRGB, without metadata; what is asked for is done in one fixed order."""
    query = read_query(TransformQuery, room.presets.applied(single_values(request.query_params.multi_items())))
    values = query.model_dump(exclude_unset=True, exclude={*STORING, "preset"})
    transform = Transform.of(values, request.headers.get("accept", ""))
    max_bytes = room.images.max_bytes
    incoming = await incoming_file(request, max_bytes=max_bytes, idle_seconds=room.body_idle_seconds)
    async with room.pictures.receive(incoming.chunks, max_bytes, client) as picture:
        rendered = await room.images.render(picture, transform, until_sent)
    wanted = StoreQuery(**query.model_dump(include=set(STORING)))
    if wanted.store:
        return await _stored(rendered, media, client, until_sent, wanted)
    headers = {"Cache-Control": "no-store", "Server-Timing": server_timing(rendered.facts.timing, "miss")}
    if transform.conversion.format == "auto":
        headers["Vary"] = "Accept"
    return await image_response(rendered, headers)


async def _stored(
    rendered: RenderedImage, media: MediaRoom, client: str, until_sent: UntilSent, wanted: StoreQuery
) -> Response:
    """Keep a rendered picture and answer it as an upload is answered."""
    facts = rendered.facts
    item = await media.uploads.receive(rendered.chunks(), wanted.name, facts.size_bytes, client)
    rendered.close()
    body = await until_sent.enter_async_context(media.delivery.answer(item, wanted.inline, wanted.shape))
    headers = {
        "Location": f"/v1/media/{item.id}",
        "Content-Length": str(body.length_bytes),
        "Server-Timing": server_timing(facts.timing, "miss"),
        **receipt_headers(facts.receipt),
    }
    return StreamingResponse(body.chunks, 201, headers, "application/json")


def pictures_answer(*headers: str) -> dict[str, Any]:
    """Return the description of a picture as an answer; `headers` are those beside what every picture has."""
    content = {name: {"schema": {"type": "string", "format": "binary"}} for name in CONTENT_TYPES.values()}
    own = {
        name: {"description": text, "schema": {"type": "string"}}
        for name, text in (
            ("Ballast-Memory", "What the work was predicted to take, what it took, and in which mode it was done."),
            ("Server-Timing", "Milliseconds of `decode`, `transform` and `encode`; `cache;desc=hit` or `miss`."),
            (FACES, "How many faces were found, where they were looked for."),
            ("Vary", "`Accept` with `format=auto`."),
        )
    }
    return {
        **answer("The picture.", *headers),
        "content": content,
        "headers": {**answer("", *headers)["headers"], **own},
    }
