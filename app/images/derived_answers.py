"""A derived picture as an HTTP answer: validators, conditions, ranges."""

from __future__ import annotations

import time

from fastapi import Request
from starlette.responses import Response, StreamingResponse

from app.domain.disposition import content_disposition
from app.domain.media import MediaItem
from app.errors import RangeNotSatisfiable
from app.http.conditions import Validators
from app.http.guards import EXPIRES_KEY
from app.http.problems import problem_response
from app.http.ranges import ByteRange, parse_range
from app.http.receipts import receipt_headers
from app.images.answers import FACES, HIT_TIMING, SECURITY, server_timing
from app.images.derivation import Derivation
from app.images.derived import DerivedImage
from app.images.pieces import pieces
from app.images.rendered import ImageFacts
from app.storage.ids import created_at
from app.storage.threads import DiskThreads

_CONDITIONS = frozenset(("range", "if-range", "if-match", "if-unmodified-since"))


class DerivedAnswers:
    """Makes them; a browser may keep a picture for `max_age_seconds`, and no longer than its URL is good."""

    def __init__(self, disk: DiskThreads, max_age_seconds: float) -> None:
        self._disk = disk
        self._max_age_seconds = int(max_age_seconds)

    def not_modified(self, request: Request, media_id: str, wanted: Derivation, effort: float) -> Response | None:
        """Return 304 where the client has this picture already, made with whatever effort: no work is done for it."""
        known = request.headers.get("if-none-match")
        if known is None or not wanted.is_known(media_id, known):
            return None
        return Response(status_code=304, headers=self._validity(request, media_id, wanted, effort))

    def head(self, request: Request, item: MediaItem, wanted: Derivation, effort: float) -> Response:
        """Return what can be said of a picture that was not made yet."""
        headers = {**SECURITY, "Accept-Ranges": "bytes", **self._validity(request, item.id, wanted, effort)}
        response = Response(headers=headers, media_type=wanted.content_type(item))
        del response.headers["content-length"]
        return response

    def picture(self, request: Request, media_id: str, wanted: Derivation, derived: DerivedImage) -> Response:
        """Return the picture, or the part of it that Range asks for: 200, 206 or 416.

        What it lies in must stay open until the answer is sent.

        Raises:
            PreconditionFailed: the client asks for other bytes (If-Match).
        """
        facts = derived.facts
        headers = {**SECURITY, **_told(derived), "Accept-Ranges": "bytes"}
        if not derived.is_kept:
            # The next one may be better: nothing says that it has these bytes.
            headers["Cache-Control"] = "no-store"
            return self._whole(request, derived, headers)
        validity = self._validity(request, media_id, wanted, derived.effort)
        headers.update(validity)
        if _CONDITIONS.isdisjoint(request.headers.keys()):
            return self._whole(request, derived, headers)
        validators = Validators(validity["ETag"], created_at(media_id))
        validators.not_modified(request.headers)  # checks If-Match; If-None-Match was looked at before
        ranged = request.method == "GET" and validators.range_is_wanted(request.headers)
        try:
            part = parse_range(request.headers.get("range") if ranged else None, facts.size_bytes)
        except RangeNotSatisfiable as error:
            return problem_response(error, {"Content-Range": f"bytes */{facts.size_bytes}", "Accept-Ranges": "bytes"})
        return self._whole(request, derived, headers) if part is None else self._part(derived, part, headers)

    def _whole(self, request: Request, derived: DerivedImage, headers: dict[str, str]) -> Response:
        headers["Content-Length"] = str(derived.facts.size_bytes)
        if request.method == "HEAD":
            return Response(headers=headers, media_type=derived.facts.content_type)
        if isinstance(derived.body, bytes):
            return Response(derived.body, headers=headers, media_type=derived.facts.content_type)
        return StreamingResponse(pieces(derived.body, self._disk), 200, headers, derived.facts.content_type)

    def _part(self, derived: DerivedImage, part: ByteRange, headers: dict[str, str]) -> Response:
        headers["Content-Length"] = str(part.length)
        headers["Content-Range"] = part.content_range
        chunks = pieces(derived.body, self._disk, part.offset, part.length)
        return StreamingResponse(chunks, 206, headers, derived.facts.content_type)

    def _validity(self, request: Request, media_id: str, wanted: Derivation, effort: float) -> dict[str, str]:
        seconds = self._max_age_seconds
        expires_at: int | None = request.scope.get(EXPIRES_KEY)
        if expires_at is not None:
            seconds = max(0, min(seconds, expires_at - int(time.time())))
        headers = {"ETag": wanted.tag(media_id, effort), "Cache-Control": f"private, max-age={seconds}"}
        if wanted.transform.conversion.format == "auto":
            headers["Vary"] = "Accept"
        return headers


def _told(derived: DerivedImage) -> dict[str, str]:
    facts: ImageFacts = derived.facts
    name = f"image.{facts.content_type.partition('/')[2]}"
    headers = {
        "Content-Disposition": content_disposition(facts.content_type, name),
        "Server-Timing": HIT_TIMING if derived.is_hit else server_timing(facts.timing, "miss"),
        **receipt_headers(facts.receipt),
    }
    if facts.faces is not None:
        headers[FACES] = str(facts.faces)
    return headers
