"""`/v1/media`: upload, list, look at, download and delete media."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse

from app.domain.media import MediaKind
from app.errors import (
    BadRequest,
    Conflict,
    InvalidParameter,
    NotFound,
    Overloaded,
    PayloadTooLarge,
    PreconditionFailed,
    QueueFull,
    RangeNotSatisfiable,
    RequestTimeout,
    StorageFull,
    StorageUnavailable,
    UnsupportedMedia,
)
from app.http.body import incoming_file
from app.http.problems import GUARDED, problem_responses
from app.http.receipts import receipt_headers
from app.http.state import ClientDep, opened
from app.media import tus
from app.media.content import UntilSent, content_response
from app.media.delivery import Answer, Inline, Shape
from app.media.room import MediaRoom
from app.media.schema import UPLOAD_BODY, ClipAnswer, MediaAnswer, MediaList
from app.media.transfers import DOWNLOAD_BYTES, UPLOAD_BYTES

router = APIRouter(prefix="/v1/media", tags=["media"], responses=GUARDED)

MediaDep = Annotated[MediaRoom, Depends(opened("media"))]

InlineQuery = Annotated[Inline, Query(description="`never`: a reference even to a small file.")]
ShapeQuery = Annotated[Shape, Query(description="`clip`: the item below `clip`, as the Electron editor reads it.")]
RedirectQuery = Annotated[bool, Query(description="Answer where the object store has the bytes, if there is one.")]
NameQuery = Annotated[str | None, Query(max_length=1024, description="The file's name, where the body has none.")]

_BYTES: dict[str, Any] = {"content": {"*/*": {"schema": {"type": "string", "format": "binary"}}}}
_CONTENT_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"description": "The bytes.", **_BYTES},
    206: {"description": "The part of the bytes that Range asks for.", **_BYTES},
    304: {"description": "The client has them already."},
    307: {"description": "They are at `Location`, in the object store, for a while (`redirect`)."},
    **problem_responses(NotFound, PreconditionFailed, RangeNotSatisfiable, QueueFull, Overloaded, StorageUnavailable),
}


@router.post(
    "",
    status_code=201,
    response_model=MediaAnswer | ClipAnswer,
    openapi_extra=UPLOAD_BODY,
    responses=problem_responses(
        BadRequest,
        RequestTimeout,
        PayloadTooLarge,
        UnsupportedMedia,
        InvalidParameter,
        QueueFull,
        Overloaded,
        StorageFull,
    ),
)
async def create_media(
    request: Request,
    media: MediaDep,
    client: ClientDep,
    until_sent: UntilSent,
    inline: InlineQuery = Inline.AUTO,
    shape: ShapeQuery = Shape.ITEM,
    name: NameQuery = None,
) -> Response:
    """Store a file of any size: it goes straight to the disk, and its type is read from its bytes.

    Up to `upload.inline_max_bytes` the answer carries the bytes (`buffer`), above it a reference (`largeFile`).
    """
    limits = media.uploads.limits
    incoming = await incoming_file(request, max_bytes=limits.max_bytes, idle_seconds=limits.idle_seconds)
    await until_sent.enter_async_context(media.transfers.upload(client))
    item = await media.uploads.receive(incoming.chunks, name or incoming.name, incoming.declared_bytes)
    answer = await until_sent.enter_async_context(media.delivery.answer(item, inline, shape))
    receipt = receipt_headers(media.transfers.receipt(UPLOAD_BYTES))
    return _json(answer, 201, {"Location": f"/v1/media/{item.id}", **receipt})


@router.get("", response_model=MediaList, responses=problem_responses(InvalidParameter))
async def list_media(
    media: MediaDep,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=64, description="`nextCursor` of the page before.")] = None,
    kind: Annotated[MediaKind | None, Query(description="Only items of this kind.")] = None,
) -> Response:
    """List items, newest first, as references."""
    page = await media.store.page(limit, cursor, kind)
    items = [media.delivery.document(item) for item in page.items]
    return JSONResponse({"items": items, "nextCursor": page.next_cursor})


@router.get("/{media_id}", response_model=MediaAnswer | ClipAnswer, responses=problem_responses(NotFound))
async def read_media(
    media_id: str,
    media: MediaDep,
    client: ClientDep,
    until_sent: UntilSent,
    inline: InlineQuery = Inline.NEVER,
    shape: ShapeQuery = Shape.ITEM,
) -> Response:
    """Answer one item; with `inline=auto` its bytes too where they are few."""
    item = await media.store.get(media_id)
    if inline is not Inline.NEVER:
        await until_sent.enter_async_context(media.transfers.download(client))
    return _json(await until_sent.enter_async_context(media.delivery.answer(item, inline, shape)), 200, {})


@router.get("/{media_id}/content", response_class=Response, responses=_CONTENT_RESPONSES)
@router.head("/{media_id}/content", response_class=Response, responses=_CONTENT_RESPONSES)
async def read_content(
    request: Request,
    media_id: str,
    media: MediaDep,
    client: ClientDep,
    until_sent: UntilSent,
    redirect: RedirectQuery = False,
) -> Response:
    """Answer the bytes: Range, ETag and conditions are obeyed, so that a video element can seek in any size."""
    if request.method == "GET":
        if redirect or media.store.redirects:
            link = await media.store.link(await media.store.get(media_id))
            if link is not None:
                return RedirectResponse(link, 307, {"Cache-Control": "no-store"})
        await until_sent.enter_async_context(media.transfers.download(client))
    response = content_response(request, await until_sent.enter_async_context(media.store.reader(media_id)))
    response.headers.update(receipt_headers(media.transfers.receipt(DOWNLOAD_BYTES)))
    return response


@router.delete("/{media_id}", status_code=204, responses=problem_responses(NotFound, Conflict))
async def delete_media(media_id: str, media: MediaDep) -> Response:
    """Delete an item, unless somebody is reading it or a job needs it."""
    await media.store.delete(media_id)
    return Response(status_code=204)


def _json(answer: Answer, status: int, headers: Mapping[str, str]) -> Response:
    headers = {**headers, "Content-Length": str(answer.length_bytes)}
    return StreamingResponse(answer.chunks, status, headers, "application/json")


def build_router() -> APIRouter:
    """Return all routes of this room."""
    both = APIRouter()
    both.include_router(router)
    both.include_router(tus.router)
    return both
