"""Stored texts that name other addresses of this service, as they are answered below a signed URL.

Who has only that URL could not take what they name: so the addresses are signed while the text is sent. What is stored
has no signature in it: secrets change, and URLs expire.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from functools import partial

from fastapi import Request
from starlette.responses import Response, StreamingResponse

from app.domain.disposition import content_disposition
from app.domain.media import MediaItem
from app.http.guards import EXPIRES_KEY
from app.media.signer import UrlSigner
from app.storage.backend import CHUNK_BYTES, MediaReader

_WEBVTT = "text/vtt"

_SHEET = re.compile(rb"^\.\./([a-z0-9]{1,64})/content(?=#xywh=)", re.MULTILINE)
"""A picture that a cue names, as `app.jobs.kinds.thumbnails` writes it."""

Rewrite = Callable[[bytes], bytes]
"""Signs the addresses in some whole lines."""


def is_signed_track(item: MediaItem, expires_at: int | None) -> bool:
    """Whether an item is a WebVTT track that is asked for with a signed URL (`expires_at`: when that ends; or None)."""
    return expires_at is not None and item.content_type == _WEBVTT


def signed_track(request: Request, reader: MediaReader, signer: UrlSigner, chunk_bytes: int) -> Response:
    """Answer a track (`is_signed_track`) whose cues name stored pictures; each is good as long as the request's URL."""
    sign = partial(_signed_sheet, signer, request.scope[EXPIRES_KEY])
    return signed_text(request, reader, lambda lines: _SHEET.sub(sign, lines), chunk_bytes)


def signed_text(request: Request, reader: MediaReader, rewrite: Rewrite, chunk_bytes: int = CHUNK_BYTES) -> Response:
    """Answer a text with its addresses signed; it is read `chunk_bytes` at a time.

    Its length is not known before, and no part of it can be asked for: the next URL has another signature.
    """
    item = reader.item
    headers = {
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "private, no-cache",
        "Content-Disposition": content_disposition(item.content_type, item.name),
    }
    if request.method == "HEAD":
        response = Response(headers=headers, media_type=item.content_type)
        del response.headers["content-length"]  # nobody knows it before the text is signed
        return response
    return StreamingResponse(_rewritten(reader, rewrite, chunk_bytes), 200, headers, item.content_type)


async def _rewritten(reader: MediaReader, rewrite: Rewrite, chunk_bytes: int) -> AsyncIterator[bytes]:
    rest = b""
    async for chunk in reader.chunks(0, reader.item.size_bytes, chunk_bytes):
        lines, end, rest = (rest + chunk).rpartition(b"\n")
        yield rewrite(lines) + end
    yield rewrite(rest)


def _signed_sheet(signer: UrlSigner, expires_at: int, found: re.Match[bytes]) -> bytes:
    path = f"/v1/media/{found[1].decode()}/content"
    query = signer.sign_until(expires_at, path).removeprefix(path)
    return found[0] + query.encode()
