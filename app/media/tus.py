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

from app.errors import BadRequest, BallastError, PreconditionFailed
from app.http.body import plain_body
from app.http.problems import GUARDED, problem_response
from app.http.state import ClientDep, opened
from app.media.assembly import CHECKSUMS
from app.media.openapi import (
    CREATION,
    CREATION_PROBLEMS,
    PIECE,
    PIECE_PROBLEMS,
    PROGRESS,
    answer,
    tus_problems,
    tus_request,
)
from app.media.pieces import Creation, Piece, ResumableUpload
from app.media.resumable import Resumable
from app.media.room import MediaRoom
from app.media.tus_headers import (
    PATH,
    check_body_type,
    concat_header,
    file_name,
    read_checksum,
    read_length,
    read_metadata,
    read_number,
    read_parts,
)

VERSION = "1.0.0"
EXTENSIONS = "creation,creation-with-upload,creation-defer-length,termination,checksum,expiration,concatenation"

_ABILITIES = ("Tus-Version", "Tus-Extension", "Tus-Max-Size", "Tus-Checksum-Algorithm")
_STATE = ("Upload-Length", "Upload-Defer-Length", "Upload-Metadata", "Upload-Concat", "Cache-Control")


class TusRoute(APIRoute):
    """Asks for the version, and puts it into every answer of these routes, problems included."""

    def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:  # type: ignore[override]
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                if request.method != "OPTIONS" and request.headers.get("tus-resumable") != VERSION:
                    raise PreconditionFailed(f"Send `Tus-Resumable: {VERSION}`; other versions are not supported.")
                response = await handler(request)
            except BallastError as error:
                response = problem_response(error)
                if isinstance(error, PreconditionFailed):
                    response.headers["Tus-Version"] = VERSION
            response.headers["Tus-Resumable"] = VERSION
            return response

        return handle


async def _resumable(media: Annotated[MediaRoom, Depends(opened("media"))]) -> Resumable:
    return media.resumable


ResumableDep = Annotated[Resumable, Depends(_resumable)]

router = APIRouter(
    prefix=PATH,
    tags=["resumable uploads"],
    route_class=TusRoute,
    default_response_class=Response,
    responses=GUARDED,
)


@router.options("", status_code=204, responses={204: answer("What is supported.", "Tus-Resumable", *_ABILITIES)})
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
    openapi_extra=CREATION,
    responses={201: answer("Begun; `Location` is its URL.", "Location", *PROGRESS), **CREATION_PROBLEMS},
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
        upload = await resumable.join(part_ids, Creation(None, name, metadata, client=client))
    else:
        creation = Creation(read_length(headers), name, metadata, "upload-concat" in headers, client)
        first = None
        if "transfer-encoding" in headers or headers.get("content-length", "0") != "0":
            check_body_type(headers)
            first = _piece(request, resumable, 0, client)
        upload = await resumable.create(creation, first)
    return Response(status_code=201, headers={"Location": f"{PATH}/{upload.id}", **_progress(upload)})


@router.head(
    "/{upload_id}",
    openapi_extra=tus_request(),
    responses={200: answer("How far it has come.", *PROGRESS, *_STATE), **tus_problems()},
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
        headers["Upload-Concat"] = concat_header(upload.concat, upload.part_ids)
    return Response(status_code=200, headers=headers)


@router.patch(
    "/{upload_id}",
    status_code=204,
    openapi_extra=PIECE,
    responses={204: answer("The bytes are kept.", *PROGRESS), **PIECE_PROBLEMS},
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
    openapi_extra=tus_request(),
    responses={204: answer("It is gone.", "Tus-Resumable"), **tus_problems()},
)
async def terminate_upload(upload_id: str, resumable: ResumableDep) -> Response:
    """Forget an upload and its bytes; the media item that it has become stays."""
    await resumable.terminate(upload_id)
    return Response(status_code=204)


def _piece(request: Request, resumable: Resumable, offset: int, client: str) -> Piece:
    limits = resumable.limits
    return Piece(
        offset=offset,
        chunks=plain_body(request, max_bytes=limits.max_bytes, idle_seconds=limits.idle_seconds),
        declared_bytes=read_number(request.headers, "Content-Length"),
        length=read_number(request.headers, "Upload-Length"),
        checksum=read_checksum(request.headers),
        client=client,
    )


def _progress(upload: ResumableUpload) -> dict[str, str]:
    headers = {"Upload-Offset": str(upload.offset), "Upload-Expires": format_datetime(upload.expires_at, usegmt=True)}
    if upload.media_id is not None:
        headers["Ballast-Media-Id"] = upload.media_id
    return headers
