"""The headers of tus for the description of the interface: the routes read them themselves."""

from __future__ import annotations

from typing import Any

from app.errors import (
    BadRequest,
    BallastError,
    ChecksumMismatch,
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
from app.http.problems import problem_responses
from app.media.tus_headers import CONTENT_TYPE

MEDIA_ID = "Ballast-Media-Id"

RECEIVING = (
    BadRequest,
    NotFound,
    RequestTimeout,
    PreconditionFailed,
    PayloadTooLarge,
    UnsupportedMedia,
    Locked,
    QueueFull,
    ChecksumMismatch,
    Overloaded,
    StorageFull,
)
_HEADERS: dict[str, dict[str, Any]] = {
    "Upload-Offset": {"description": "How many bytes there are.", "schema": {"type": "integer"}},
    "Upload-Expires": {"description": "When it goes, if nothing more comes.", "schema": {"type": "string"}},
    MEDIA_ID: {"description": "The media item that it has become.", "schema": {"type": "string"}},
}
_BODY = {"required": False, "content": {CONTENT_TYPE: {"schema": {"type": "string", "format": "binary"}}}}


def tus_responses(status: int, description: str, *errors: type[BallastError]) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI `responses` of a route: the answer with its headers, and the problems."""
    return {status: {"description": description, "headers": _HEADERS}, **problem_responses(*errors)}


def _header(name: str, description: str, *, required: bool = False) -> dict[str, Any]:
    schema = {"type": "string"}
    return {"name": name, "in": "header", "required": required, "description": description, "schema": schema}


RESUMABLE = _header("Tus-Resumable", "1.0.0", required=True)
_CHECKSUM = _header("Upload-Checksum", "`sha1`, `sha256` or `md5`, and the digest of the body in base64.")
CREATION: dict[str, Any] = {
    "parameters": [
        RESUMABLE,
        _header("Upload-Length", "How many bytes there will be."),
        _header("Upload-Defer-Length", "`1`: the length comes with a later PATCH."),
        _header("Upload-Metadata", "`filename` and `filetype`, each with its value in base64."),
        _header("Upload-Concat", "`partial`, or `final;` and the URLs of the parts."),
        _CHECKSUM,
    ],
    "requestBody": _BODY,
}
PIECE: dict[str, Any] = {
    "parameters": [
        RESUMABLE,
        _header("Upload-Offset", "Where these bytes begin.", required=True),
        _header("Upload-Length", "How many bytes there will be, where that was not said before."),
        _CHECKSUM,
    ],
    "requestBody": {**_BODY, "required": True},
}
