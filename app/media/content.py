"""Stored bytes as an HTTP answer: whole or a part of them, in pieces."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Annotated

from fastapi import Depends, Request
from starlette.responses import Response, StreamingResponse

from app.domain.disposition import CACHE_CONTROL, content_disposition
from app.domain.media import MediaItem
from app.errors import RangeNotSatisfiable
from app.http.conditions import Validators
from app.http.problems import problem_response
from app.http.ranges import ByteRange, parse_range
from app.storage.backend import CHUNK_BYTES, LinkTerms, MediaReader

# Stored bytes come from strangers: nothing in them may run as a page of this server.
_SECURITY = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": (
        "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'; sandbox"
    ),
    "Cache-Control": CACHE_CONTROL,
}


async def _until_sent() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


UntilSent = Annotated[AsyncExitStack, Depends(_until_sent, scope="request")]
"""What is entered here is exited after the last byte of the answer, or when the client goes away."""


def validators(item: MediaItem) -> Validators:
    """Return the entity tag of an item (the digest where there is one, else the id) and its time."""
    return Validators(f'"{item.sha256 or item.id}"', item.created_at)


def link_terms(item: MediaItem, expires_at: int | None, now: float) -> LinkTerms | None:
    """Return what a link to the bytes elsewhere has to keep: our fields, and the end of the signed URL if it was one.

    `expires_at` and `now` are seconds since 1970. None: the URL ends too soon for a link.
    """
    seconds = None if expires_at is None else int(expires_at - now)
    if seconds is not None and seconds < 1:
        return None
    disposition = content_disposition(item.content_type, item.name)
    fields = {"Content-Type": item.content_type, "Content-Disposition": disposition, "Cache-Control": CACHE_CONTROL}
    return LinkTerms(fields, seconds)


def content_response(request: Request, reader: MediaReader, chunk_bytes: int = CHUNK_BYTES) -> Response:
    """Answer the bytes of an open item as the request's conditions and Range ask for them: 200, 206, 304 or 416.

    They are read `chunk_bytes` at a time. The reader must stay open until the answer is sent (`UntilSent`).

    Raises:
        PreconditionFailed: the client asks for other bytes.
    """
    item = reader.item
    validity = validators(item)
    headers = {
        **_SECURITY,
        "Accept-Ranges": "bytes",
        "ETag": validity.etag,
        "Last-Modified": validity.last_modified,
        "Content-Disposition": content_disposition(item.content_type, item.name),
    }
    if validity.not_modified(request.headers):
        return Response(status_code=304, headers=headers)
    # Only GET knows ranges (RFC 9110, section 14.2).
    ranged = request.method == "GET" and validity.range_is_wanted(request.headers)
    try:
        wanted = parse_range(request.headers.get("range") if ranged else None, item.size_bytes)
    except RangeNotSatisfiable as error:
        return problem_response(error, {"Content-Range": f"bytes */{item.size_bytes}", "Accept-Ranges": "bytes"})
    return _body_response(request, reader, wanted, headers, chunk_bytes)


def _body_response(
    request: Request, reader: MediaReader, wanted: ByteRange | None, headers: dict[str, str], chunk_bytes: int
) -> Response:
    part = wanted or ByteRange(0, reader.item.size_bytes, reader.item.size_bytes)
    headers["Content-Length"] = str(part.length)
    if wanted is not None:
        headers["Content-Range"] = wanted.content_range
    status = 200 if wanted is None else 206
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers, media_type=reader.item.content_type)
    chunks = reader.chunks(part.offset, part.length, chunk_bytes)
    return StreamingResponse(chunks, status, headers, reader.item.content_type)
