"""`/v1/media`: upload, list, look at, download and delete media."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel
from starlette.responses import RedirectResponse, Response, StreamingResponse

from app.domain.media import MediaKind
from app.errors import (
    Conflict,
    InvalidParameter,
    NotFound,
    Overloaded,
    PreconditionFailed,
    QueueFull,
    RangeNotSatisfiable,
    StorageFull,
    StorageUnavailable,
)
from app.http.bodies import file_body
from app.http.body import incoming_file
from app.http.guards import EXPIRES_KEY
from app.http.problems import GUARDED, problem_responses
from app.http.receipts import receipt_headers
from app.http.state import ClientDep, opened
from app.media import streaming, tus
from app.media.content import UntilSent, content_response, link_terms
from app.media.delivery import Inline, Shape, SizedBody
from app.media.openapi import RECEIVING, Responses, answer, bytes_answer, problems
from app.media.room import MediaRoom
from app.media.schema import MediaAnswer, MediaList, StoredMedia
from app.media.signed_text import is_signed_track, signed_track
from app.media.transfers import DOWNLOAD, UPLOAD
from app.storage.ids import CURSOR_PATTERN, is_id

router = APIRouter(prefix="/v1/media", tags=["media"], responses=GUARDED)

MediaDep = Annotated[MediaRoom, Depends(opened("media"))]

InlineQuery = Annotated[Inline, Query(description="`never`: a reference even to a small file.")]
ShapeQuery = Annotated[Shape, Query(description="`clip`: the item below `clip`, as the Electron editor reads it.")]
NameQuery = Annotated[str | None, Query(max_length=1024, description="The file's name, where the body has none.")]
RedirectQuery = Annotated[bool, Query(description="Answer where the object store has the bytes, if there is one.")]

_CONTENT = (
    "ETag",
    "Last-Modified",
    "Accept-Ranges",
    "Cache-Control",
    "Content-Disposition",
    "Content-Security-Policy",
    "X-Content-Type-Options",
    "Ballast-Memory",
)
_CONTENT_RESPONSES: Responses = {
    200: bytes_answer("The bytes.", *_CONTENT),
    206: bytes_answer("The part of the bytes that Range asks for.", "Content-Range", *_CONTENT),
    304: answer("The client has them already.", *_CONTENT),
    307: answer("They are at `Location`, in the object store, for a while.", "Location", "Cache-Control"),
    **problem_responses(NotFound, PreconditionFailed, QueueFull, Overloaded, StorageUnavailable),
    **problems(RangeNotSatisfiable, headers=("Content-Range", "Accept-Ranges", "Ballast-Memory")),
}


class UploadQuery(BaseModel):
    """What a client may say of an upload besides the body."""

    inline: InlineQuery = Inline.AUTO
    shape: ShapeQuery = Shape.ITEM
    name: NameQuery = None


_STORED_RESPONSES: Responses = {
    201: answer("The item, with its bytes where they are few.", "Location", "Ballast-Memory"),
    **problem_responses(*RECEIVING, InvalidParameter, StorageUnavailable),
}


@router.post(
    "",
    status_code=201,
    response_model=StoredMedia,
    openapi_extra=file_body("One file"),
    responses=_STORED_RESPONSES,
)
async def create_media(
    request: Request,
    query: Annotated[UploadQuery, Query()],
    media: MediaDep,
    client: ClientDep,
    until_sent: UntilSent,
) -> Response:
    """Store a file of any size: it goes straight to the disk, and its type is read from its bytes.

    Up to `upload.inline_max_bytes` the answer carries the bytes (`buffer`), above it a reference (`largeFile`).
    """
    limits = media.uploads.limits
    incoming = await incoming_file(request, max_bytes=limits.max_bytes, idle_seconds=limits.idle_seconds)
    admitted_bytes = await until_sent.enter_async_context(media.transfers.admit(UPLOAD, client))
    name = query.name or incoming.name
    item = await media.uploads.receive(incoming.chunks, name, incoming.declared_bytes, client)
    body = await until_sent.enter_async_context(media.delivery.answer(item, query.inline, query.shape))
    receipt = receipt_headers(media.transfers.receipt(admitted_bytes))
    return _json(body, 201, {"Location": f"/v1/media/{item.id}", **receipt})


@router.put(
    "",
    status_code=201,
    response_model=StoredMedia,
    openapi_extra=file_body("One file"),
    responses=_STORED_RESPONSES,
)
async def put_media(
    request: Request,
    query: Annotated[UploadQuery, Query()],
    media: MediaDep,
    client: ClientDep,
    until_sent: UntilSent,
) -> Response:
    """The same as POST, for `curl -T FILE`: each time a new item is made."""
    return await create_media(request, query, media, client, until_sent)


@router.put(
    "/{media_id}",
    status_code=201,
    response_model=StoredMedia,
    openapi_extra=file_body("One file"),
    responses={**_STORED_RESPONSES, **problem_responses(NotFound, Conflict)},
)
async def put_named_media(
    request: Request,
    name: Annotated[str, Path(alias="media_id", max_length=1024, description="The file's name, not an id.")],
    query: Annotated[UploadQuery, Query()],
    media: MediaDep,
    client: ClientDep,
    until_sent: UntilSent,
) -> Response:
    """The same under a name, as `curl -T FILE` sends it to an address that ends with a slash. No item is replaced."""
    if is_id(name):
        await media.store.get(name)
        raise Conflict("An item cannot be replaced: POST stores a new one.")
    return await create_media(request, query.model_copy(update={"name": query.name or name}), media, client, until_sent)


@router.get("", response_model=MediaList, responses=problem_responses(InvalidParameter, StorageUnavailable))
async def list_media(
    media: MediaDep,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(pattern=CURSOR_PATTERN, description="`nextCursor` of the page before.")] = None,
    kind: Annotated[MediaKind | None, Query(description="Only items of this kind.")] = None,
) -> Response:
    """List items, newest first, as references."""
    return Response(await media.listing.page(limit, cursor, kind), media_type="application/json")


@router.get(
    "/{media_id}",
    response_model=StoredMedia,
    responses={
        200: answer("The item, with its bytes where they are asked for and few.", "Ballast-Memory"),
        **problem_responses(NotFound, QueueFull, Overloaded, StorageUnavailable),
    },
)
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
    media.probing.follow(item)
    admitted_bytes = 0
    if inline is not Inline.NEVER and media.delivery.gives_bytes(item):  # a reference needs nothing
        admitted_bytes = await until_sent.enter_async_context(media.transfers.admit(DOWNLOAD, client))
    body = await until_sent.enter_async_context(media.delivery.answer(item, inline, shape))
    return _json(body, 200, receipt_headers(media.transfers.receipt(admitted_bytes)))


@router.get("/{media_id}/content", response_class=Response, responses=_CONTENT_RESPONSES)
@router.head("/{media_id}/content", response_class=Response, responses=_CONTENT_RESPONSES, operation_id="head_content")
async def read_content(
    request: Request,
    media_id: str,
    media: MediaDep,
    client: ClientDep,
    until_sent: UntilSent,
    redirect: RedirectQuery = False,
) -> Response:
    """Answer the bytes: Range, ETag and conditions are obeyed, so that a video element can seek in any size.

    With a signed URL what a WebVTT track names is signed too."""
    admitted_bytes = DOWNLOAD.most_bytes  # as HEAD says, which is not admitted
    if request.method == "GET":
        if (redirect or media.store.redirects) and (link := await _link(request, media_id, media)) is not None:
            return RedirectResponse(link, 307, {"Cache-Control": "no-store"})
        admitted_bytes = await until_sent.enter_async_context(media.transfers.admit(DOWNLOAD, client))
    reader = await until_sent.enter_async_context(media.store.reader(media_id))
    response: Response
    if media.signer is not None and is_signed_track(reader.item, request.scope.get(EXPIRES_KEY)):
        response = signed_track(request, reader, media.signer, admitted_bytes // 4)
    else:
        response = content_response(request, reader, admitted_bytes // 2)
    response.headers.update(receipt_headers(media.transfers.receipt(admitted_bytes)))
    return response


@router.post(
    "/{media_id}/details",
    response_model=MediaAnswer,
    responses={
        202: {"model": MediaAnswer, "description": "They are still being found out: ask for the item later."},
        **problem_responses(NotFound, StorageFull, StorageUnavailable),
    },
)
async def find_details(media_id: str, media: MediaDep, until_sent: UntilSent) -> Response:
    """Have width, height, duration and so on found out again, where they are not known."""
    item = await media.probing.ask(media_id, media.uploads.limits.probe_seconds)
    body = await until_sent.enter_async_context(media.delivery.answer(item, Inline.NEVER))
    return _json(body, 202 if item.details.pending else 200, {})


@router.delete("/{media_id}", status_code=204, responses=problem_responses(NotFound, Conflict, StorageUnavailable))
async def delete_media(media_id: str, media: MediaDep) -> Response:
    """Delete an item, unless somebody is reading it or a job needs it."""
    media.probing.forget(media_id)
    await media.store.delete(media_id)
    return Response(status_code=204)


async def _link(request: Request, media_id: str, media: MediaRoom) -> str | None:
    """Return where the store gives the bytes without us, for no longer than the request's own URL is good."""
    item, expires_at = await media.store.get(media_id), request.scope.get(EXPIRES_KEY)
    terms = None if is_signed_track(item, expires_at) else link_terms(item, expires_at, time.time())
    return None if terms is None else await media.store.link(item, terms)


def _json(body: SizedBody, status: int, headers: Mapping[str, str]) -> Response:
    headers = {**headers, "Content-Length": str(body.length_bytes)}
    return StreamingResponse(body.chunks, status, headers, "application/json")


def build_router() -> APIRouter:
    """Return all routes of this room."""
    both = APIRouter()
    both.include_router(router)
    both.include_router(tus.router)
    both.include_router(streaming.router)
    return both
