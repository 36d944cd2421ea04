"""`/v1/uploads`: resumable uploads by tus 1.0.0 (tus.io/protocols/resumable-upload).

Creation (with the first bytes, with the length later), termination, checksum, expiration and concatenation. The rules
are in `media/resumable.py`; why this is our own is in docs/decisions (own tus).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from email.utils import format_datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.routing import APIRoute
from starlette.responses import Response

from app.errors import BadRequest, BallastError, Conflict, Forbidden, Locked, NotFound, PreconditionFailed
from app.http.body import plain_body
from app.http.problems import GUARDED, problem_response, problem_responses
from app.http.state import ClientDep, opened
from app.media.receiving import CHECKSUMS
from app.media.resumable import Creation, Piece, Resumable, ResumableUpload
from app.media.room import MediaRoom
from app.media.tus_headers import (
    PATH,
    check_body_type,
    file_name,
    read_checksum,
    read_length,
    read_metadata,
    read_number,
    read_parts,
)
from app.media.tus_schema import CREATION, MEDIA_ID, PIECE, RECEIVING, RESUMABLE, tus_responses

VERSION = "1.0.0"
EXTENSIONS = "creation,creation-with-upload,creation-defer-length,termination,checksum,expiration,concatenation"

_ALWAYS = {"Tus-Resumable": VERSION}


class TusRoute(APIRoute):
    """Gives every answer of these routes, also a problem, the header that tus wants on it."""

    def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:  # type: ignore[override]
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                response = await handler(request)
            except BallastError as error:
                known = {"Tus-Version": VERSION} if isinstance(error, PreconditionFailed) else {}
                response = problem_response(error, {**_ALWAYS, **known})
            response.headers.update(_ALWAYS)
            return response

        return handle


async def _resumable(media: Annotated[MediaRoom, Depends(opened("media"))]) -> Resumable:
    return media.resumable


ResumableDep = Annotated[Resumable, Depends(_resumable)]

router = APIRouter(prefix=PATH, tags=["resumable uploads"], route_class=TusRoute, responses=GUARDED)


async def _check_version(request: Request) -> None:
    if request.headers.get("tus-resumable") != VERSION:
        raise PreconditionFailed(f"Send `Tus-Resumable: {VERSION}`; other versions are not spoken.")


_VERSION = [Depends(_check_version)]


@router.options("", status_code=204, response_class=Response)
async def tell_abilities(resumable: ResumableDep) -> Response:
    """Tell versions, extensions and the largest size."""
    headers = {
        "Tus-Version": VERSION,
        "Tus-Extension": EXTENSIONS,
        "Tus-Max-Size": str(resumable.limits.max_bytes),
        "Tus-Checksum-Algorithm": ",".join(CHECKSUMS),
    }
    return Response(status_code=204, headers=headers)


@router.post(
    "",
    status_code=201,
    response_class=Response,
    dependencies=_VERSION,
    openapi_extra=CREATION,
    responses=tus_responses(201, "Begun; `Location` is its URL.", *RECEIVING),
)
async def create_upload(request: Request, resumable: ResumableDep, client: ClientDep) -> Response:
    """Begin an upload, with its first bytes if there is a body; or join finished parts."""
    headers = request.headers
    metadata = headers.get("upload-metadata", "")
    name = file_name(read_metadata(headers))
    part_ids = read_parts(headers)
    if part_ids is not None:
        if "upload-length" in headers or "upload-defer-length" in headers:
            raise BadRequest("A joined upload is as long as its parts: send no length.")
        urls = headers["upload-concat"].partition(";")[2]
        upload = await resumable.join(part_ids, Creation(None, name, metadata), urls, client)
    else:
        creation = Creation(read_length(headers), name, metadata, partial="upload-concat" in headers)
        upload = await _create(request, resumable, creation, client)
    return Response(status_code=201, headers={"Location": f"{PATH}/{upload.id}", **_progress(upload)})


@router.head(
    "/{upload_id}",
    response_class=Response,
    dependencies=_VERSION,
    openapi_extra={"parameters": [RESUMABLE]},
    responses=tus_responses(200, "How far it has come.", NotFound, PreconditionFailed, Locked),
)
async def read_upload(upload_id: str, resumable: ResumableDep) -> Response:
    """Tell how far an upload has come."""
    upload = await resumable.look(upload_id)
    headers = {"Cache-Control": "no-store", **_progress(upload)}
    if upload.length is None:
        headers["Upload-Defer-Length"] = "1"
    else:
        headers["Upload-Length"] = str(upload.length)
    if upload.metadata:
        headers["Upload-Metadata"] = upload.metadata
    if upload.concat:
        headers["Upload-Concat"] = upload.concat
    return Response(status_code=200, headers=headers)


@router.patch(
    "/{upload_id}",
    status_code=204,
    response_class=Response,
    dependencies=_VERSION,
    openapi_extra=PIECE,
    responses=tus_responses(204, "The bytes are kept.", *RECEIVING, Conflict, Forbidden),
)
async def append_bytes(request: Request, upload_id: str, resumable: ResumableDep, client: ClientDep) -> Response:
    """Add bytes; the last of them makes the media item."""
    check_body_type(request.headers)
    offset = read_number(request.headers, "Upload-Offset")
    if offset is None:
        raise BadRequest("Upload-Offset is missing.")
    upload = await resumable.append(upload_id, _piece(request, resumable, offset, client))
    return Response(status_code=204, headers=_progress(upload))


@router.delete(
    "/{upload_id}",
    status_code=204,
    response_class=Response,
    dependencies=_VERSION,
    openapi_extra={"parameters": [RESUMABLE]},
    responses=problem_responses(NotFound, PreconditionFailed, Locked),
)
async def terminate_upload(upload_id: str, resumable: ResumableDep) -> Response:
    """Forget an upload and its bytes; the media item that it has become stays."""
    await resumable.terminate(upload_id)
    return Response(status_code=204)


async def _create(request: Request, resumable: Resumable, creation: Creation, client: str) -> ResumableUpload:
    """Begin an upload; where its first bytes come along and fail, nothing is left: the client knows no URL yet."""
    has_body = "transfer-encoding" in request.headers or request.headers.get("content-length", "0") != "0"
    if not has_body:
        return await resumable.create(creation)
    check_body_type(request.headers)
    piece = _piece(request, resumable, 0, client)
    upload = await resumable.create(creation)
    try:
        return await resumable.append(upload.id, piece)
    except BaseException:
        await resumable.discard(upload.id)
        raise


def _piece(request: Request, resumable: Resumable, offset: int, client: str) -> Piece:
    limits = resumable.limits
    body = plain_body(request, max_bytes=limits.max_bytes, idle_seconds=limits.idle_seconds)
    return Piece(
        offset=offset,
        chunks=body,
        declared_bytes=read_number(request.headers, "Content-Length"),
        length=read_number(request.headers, "Upload-Length"),
        checksum=read_checksum(request.headers),
        client=client,
    )


def _progress(upload: ResumableUpload) -> dict[str, str]:
    headers = {"Upload-Offset": str(upload.offset), "Upload-Expires": format_datetime(upload.expires_at, usegmt=True)}
    if upload.media_id is not None:
        headers[MEDIA_ID] = upload.media_id
    return headers
