"""What the description of the interface says beyond what FastAPI reads off the routes: bodies, headers, problems."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

from app.errors import (
    BadRequest,
    BallastError,
    ChecksumMismatch,
    Conflict,
    Forbidden,
    Locked,
    NotFound,
    Overloaded,
    PayloadTooLarge,
    PreconditionFailed,
    QueueFull,
    RequestTimeout,
    StorageFull,
    UnsupportedMedia,
)
from app.http.bodies import BYTES, stored_bytes
from app.http.problems import problem_responses
from app.media.assembly import CHECKSUMS
from app.media.tus_headers import MAX_METADATA_CHARACTERS, MAX_NUMBER

Responses: TypeAlias = dict[int | str, dict[str, Any]]

_HEADERS: dict[str, tuple[str, str]] = {
    "Accept-Ranges": ("string", "`bytes`: Range is obeyed."),
    "Ballast-Media-Id": ("string", "The media item that the upload has become."),
    "Ballast-Memory": ("string", "`predicted=<bytes>, peak=<bytes>, mode=<MODE>`: the memory that the work took."),
    "Cache-Control": ("string", "Whether the answer may be kept."),
    "Content-Disposition": ("string", "Whether to show the bytes or to save them, and their name."),
    "Content-Range": ("string", "Which part of how many bytes this is."),
    "Content-Security-Policy": ("string", "Nothing in the bytes may run as a page of this server."),
    "ETag": ("string", "The version of the bytes, for conditions."),
    "Last-Modified": ("string", "When the item was stored."),
    "Location": ("string", "The URL of what was made, or of where the bytes are."),
    "Tus-Checksum-Algorithm": ("string", "What Upload-Checksum may use."),
    "Tus-Extension": ("string", "The extensions of tus that are supported."),
    "Tus-Max-Size": ("integer", "The most bytes that an upload may have."),
    "Tus-Resumable": ("string", "The version of tus: 1.0.0."),
    "Tus-Version": ("string", "The versions of tus that are supported."),
    "Upload-Checksum": ("string", "`sha1`, `sha256` or `md5`, and the digest of the body in base64."),
    "Upload-Concat": ("string", "`partial`, or `final;` and the URLs of the parts."),
    "Upload-Defer-Length": ("string", "`1`: the length comes with a later PATCH."),
    "Upload-Expires": ("string", "When the upload goes, if nothing more comes."),
    "Upload-Length": ("integer", "How many bytes there will be."),
    "Upload-Metadata": ("string", "`filename` and `filetype`, each with its value in base64."),
    "Upload-Offset": ("integer", "How many bytes there are: where the next ones begin."),
    "X-Content-Type-Options": ("string", "`nosniff`: the content type is what it says."),
}
"""Type and meaning of each header that the routes read or write themselves."""

_SIZE = {"minimum": 0, "maximum": MAX_NUMBER}
_BASE64 = "(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?"

_BOUNDS: dict[str, dict[str, Any]] = {
    "Tus-Resumable": {"pattern": "^1\\.0\\.0$", "examples": ["1.0.0"]},
    "Upload-Checksum": {"pattern": f"^(?:{'|'.join(CHECKSUMS)}) {_BASE64}$"},
    "Upload-Concat": {"pattern": "^(?:partial|final; ?[!-~]+(?: [!-~]+)*)$"},
    "Upload-Defer-Length": {"pattern": "^1$", "examples": ["1"]},
    "Upload-Length": _SIZE,
    "Upload-Metadata": {
        "pattern": f"^(?:[!-+\\--~]+(?: {_BASE64})?(?:,[!-+\\--~]+(?: {_BASE64})?)*)?$",
        "maxLength": MAX_METADATA_CHARACTERS,
    },
    "Upload-Offset": _SIZE,
}
"""What the values of these headers are held to (`tus_headers`)."""


def answer(description: str, *headers: str) -> dict[str, Any]:
    """Return the description of an answer with these headers."""
    return {"description": description, "headers": _headers(headers)}


def bytes_answer(description: str, *headers: str) -> dict[str, Any]:
    """Return the description of an answer that is stored bytes, with these headers."""
    return {**answer(description, *headers), "content": stored_bytes()}


def problems(*errors: type[BallastError], headers: Iterable[str]) -> Responses:
    """Return the descriptions of problems that have these headers."""
    return {
        status: {**response, "headers": _headers(headers)} for status, response in problem_responses(*errors).items()
    }


def tus_problems(*errors: type[BallastError]) -> Responses:
    """Return the descriptions of problems with an upload: these, and those that all its routes may answer."""
    return {
        **problems(*errors, NotFound, Locked, headers=("Tus-Resumable",)),
        **problems(PreconditionFailed, headers=("Tus-Resumable", "Tus-Version")),
    }


def tus_request(*required: str, optional: Iterable[str] = (), body: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the description of a tus request, for `openapi_extra`: the headers that are read, and its body."""
    parameters = [
        {"name": name, "in": "header", "required": name not in optional, **header}
        for name, header in _headers(["Tus-Resumable", *required, *optional]).items()
    ]
    return {"parameters": parameters, **({} if body is None else {"requestBody": body})}


def _headers(names: Iterable[str]) -> dict[str, dict[str, Any]]:
    return {
        name: {"description": _HEADERS[name][1], "schema": {"type": _HEADERS[name][0], **_BOUNDS.get(name, {})}}
        for name in names
    }


RECEIVING = (BadRequest, RequestTimeout, PayloadTooLarge, UnsupportedMedia, QueueFull, Overloaded, StorageFull)
"""What may go wrong with bytes that are sent to be stored."""

_PIECE_BODY = {"required": True, "content": {"application/offset+octet-stream": BYTES}}

CREATION = tus_request(
    optional=("Upload-Length", "Upload-Defer-Length", "Upload-Metadata", "Upload-Concat", "Upload-Checksum"),
    body={**_PIECE_BODY, "required": False},
)
PIECE = tus_request("Upload-Offset", optional=("Upload-Length", "Upload-Checksum"), body=_PIECE_BODY)
PROGRESS = ("Tus-Resumable", "Upload-Offset", "Upload-Expires", "Ballast-Media-Id")
CREATION_PROBLEMS = tus_problems(*RECEIVING, ChecksumMismatch, Conflict)
PIECE_PROBLEMS = tus_problems(*RECEIVING, ChecksumMismatch, Conflict, Forbidden)
