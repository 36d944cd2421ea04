"""`/v1/media/{id}/hls/...`: playlists and segments of what an `hls` job made, for players (RFC 8216).

The item is the job's result; or its input, which stands for the newest result that is there.
"""

from __future__ import annotations

import re
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import parse_qsl, urlencode

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from app.errors import (
    InvalidMedia,
    NotFound,
    Overloaded,
    PreconditionFailed,
    QueueFull,
    RangeNotSatisfiable,
    StorageUnavailable,
)
from app.http.guards import EXPIRES_KEY
from app.http.problems import GUARDED, problem_responses
from app.http.receipts import receipt_headers
from app.http.state import ClientDep, opened
from app.media.content import UntilSent, content_response
from app.media.openapi import Responses, answer, bytes_answer, problems
from app.media.packages import PackagedFile, open_packaged
from app.media.room import MediaRoom
from app.media.signed_text import signed_text
from app.media.transfers import DOWNLOAD

router = APIRouter(prefix="/v1/media", tags=["media"], responses=GUARDED)

MediaDep = Annotated[MediaRoom, Depends(opened("media"))]

_PLAYLIST = ".m3u8"
_HEADERS = ("ETag", "Last-Modified", "Accept-Ranges", "Cache-Control", "X-Content-Type-Options", "Ballast-Memory")
_RESPONSES: Responses = {
    200: bytes_answer("The playlist, or the bytes of the segment.", *_HEADERS),
    206: bytes_answer("The part of the bytes that Range asks for.", "Content-Range", *_HEADERS),
    304: answer("The client has them already.", *_HEADERS),
    **problem_responses(NotFound, InvalidMedia, PreconditionFailed, QueueFull, Overloaded, StorageUnavailable),
    **problems(RangeNotSatisfiable, headers=("Content-Range", "Accept-Ranges", "Ballast-Memory")),
}

_ADDRESS = re.compile(rb'(URI=")([^"]*)(")|^([^#\r\n][^\r\n]*)', re.MULTILINE)
"""Addresses in a playlist: attributes of tags, and lines that are no tags (RFC 8216, section 4.1)."""


@router.get("/{media_id}/hls/{name}", response_class=Response, responses=_RESPONSES)
@router.head("/{media_id}/hls/{name}", response_class=Response, responses=_RESPONSES, operation_id="head_master")
async def read_master(
    request: Request, media_id: str, name: str, media: MediaDep, client: ClientDep, until_sent: UntilSent
) -> Response:
    """Answer `master.m3u8`, which a player begins with: Range, ETag and conditions are obeyed.

    With a signed URL the addresses in a playlist are signed too, with the same signature.
    """
    return await _answer(request, _Wanted(media_id, name, client), media, until_sent)


@router.get("/{media_id}/hls/{rendition}/{name}", response_class=Response, responses=_RESPONSES)
@router.head(
    "/{media_id}/hls/{rendition}/{name}", response_class=Response, responses=_RESPONSES, operation_id="head_segment"
)
async def read_segment(
    request: Request,
    media_id: str,
    rendition: str,
    name: str,
    media: MediaDep,
    client: ClientDep,
    until_sent: UntilSent,
) -> Response:
    """Answer a playlist or segment of one rendition, as the master names it."""
    return await _answer(request, _Wanted(media_id, f"{rendition}/{name}", client), media, until_sent)


@dataclass(frozen=True, slots=True)
class _Wanted:
    media_id: str
    name: str
    client: str


async def _answer(request: Request, wanted: _Wanted, media: MediaRoom, until_sent: AsyncExitStack) -> Response:
    admitted_bytes = DOWNLOAD.most_bytes
    if request.method == "GET":
        admitted_bytes = await until_sent.enter_async_context(media.transfers.admit(DOWNLOAD, wanted.client))
    whole = await until_sent.enter_async_context(media.streams.open(wanted.media_id))
    file = await open_packaged(whole, wanted.name)
    if wanted.name.endswith(_PLAYLIST) and EXPIRES_KEY in request.scope:
        response = _signed_playlist(request, file)
    else:
        response = content_response(request, file, admitted_bytes // 2)
    response.headers.update(receipt_headers(media.transfers.receipt(admitted_bytes)))
    return response


def _signed_playlist(request: Request, file: PackagedFile) -> Response:
    """Answer a playlist with the request's own signature at each address: it is good for all of them (`UrlSigner`)."""
    pairs = parse_qsl(request.scope["query_string"].decode("latin-1"), keep_blank_values=True)
    query = urlencode([(name, value) for name, value in pairs if name in ("expires", "sig")]).encode()
    return signed_text(request, file, lambda lines: _ADDRESS.sub(lambda found: _extended(found, query), lines))


def _extended(found: re.Match[bytes], query: bytes) -> bytes:
    if found[4] is not None:
        return found[4] + b"?" + query
    return found[1] + found[2] + b"?" + query + found[3]
