"""The request headers of tus 1.0.0 (tus.io/protocols/resumable-upload): read strictly, nothing is guessed."""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from app.errors import BadRequest, NotFound, UnsupportedMedia
from app.media.assembly import CHECKSUMS, Checksum
from app.storage.stage import is_stage_id

PATH = "/v1/uploads"
CONTENT_TYPE = "application/offset+octet-stream"

MAX_METADATA_CHARACTERS = 4096
MAX_NAME_CHARACTERS = 512
"""More of a name, from its beginning on, is not kept; a stored item's has 200 at most."""

MAX_PARTS = 128
"""Clients take 2 to 10; so many are named within a head of 32 KiB by URLs of up to 250 characters."""

MAX_NUMBER = 10**18 - 1
"""The largest size or offset that is read; no file system has larger files."""

_NUMBER = re.compile(r"[0-9]{1,18}")
_FINAL = "final;"


def read_number(headers: Headers, name: str) -> int | None:
    """Return a size or an offset, None where the header is not there.

    Raises:
        BadRequest: it is not a number.
    """
    value = headers.get(name)
    if value is None:
        return None
    if _NUMBER.fullmatch(value) is None:
        raise BadRequest(f"{name} is not a number.")
    return int(value)


def read_length(headers: Headers) -> int | None:
    """Return Upload-Length of a new upload, None where the client sends it later (Upload-Defer-Length: 1).

    Raises:
        BadRequest: neither is there, or both, or one is malformed.
    """
    length = read_number(headers, "Upload-Length")
    deferred = headers.get("Upload-Defer-Length")
    if deferred is not None and deferred != "1":
        raise BadRequest("Upload-Defer-Length can only be 1.")
    if (length is None) == (deferred is None):
        raise BadRequest("Send either Upload-Length or Upload-Defer-Length: 1.")
    return length


def read_metadata(headers: Headers) -> dict[str, str]:
    """Return Upload-Metadata: pairs of a key and a value in base64 (UTF-8), separated by commas.

    Raises:
        BadRequest: it is malformed or too long.
    """
    value = headers.get("Upload-Metadata", "")
    if len(value) > MAX_METADATA_CHARACTERS:
        raise BadRequest(f"Upload-Metadata has more than {MAX_METADATA_CHARACTERS} characters.")
    metadata: dict[str, str] = {}
    for pair in value.split(",") if value.strip() else ():
        key, _, encoded = pair.strip().partition(" ")
        if not key or not key.isascii() or key in metadata:
            raise BadRequest("Upload-Metadata has a key that is empty, not ASCII, or given twice.")
        metadata[key] = _decoded(encoded, "Upload-Metadata").decode("utf-8", "replace")
    return metadata


def file_name(metadata: dict[str, str]) -> str | None:
    """Return the client's name of the file: `filename`, or `name` as some clients call it."""
    name = metadata.get("filename") or metadata.get("name")
    return name and name[-MAX_NAME_CHARACTERS:]


def read_checksum(headers: Headers) -> Checksum | None:
    """Return Upload-Checksum: the name of a digest and its value in base64; None where there is none.

    Raises:
        BadRequest: it is malformed, or of a digest that is not supported.
    """
    value = headers.get("Upload-Checksum")
    if value is None:
        return None
    algorithm, _, encoded = value.strip().partition(" ")
    if algorithm not in CHECKSUMS:
        raise BadRequest(f"Upload-Checksum takes one of {', '.join(CHECKSUMS)}.")
    return Checksum(algorithm, _decoded(encoded, "Upload-Checksum"))


def read_parts(headers: Headers) -> tuple[str, ...] | None:
    """Return the ids of the uploads that Upload-Concat names, None where nothing is to be joined.

    Raises:
        BadRequest: it is malformed, names one twice, or too many.
        NotFound: it names something that is not an upload here.
    """
    value = headers.get("Upload-Concat", "partial")
    if value == "partial":
        return None
    if not value.startswith(_FINAL):
        raise BadRequest("Upload-Concat must be `partial`, or `final;` and the URLs of the parts.")
    urls = value.removeprefix(_FINAL).split(maxsplit=MAX_PARTS)
    if not 1 <= len(urls) <= MAX_PARTS:
        raise BadRequest(f"Upload-Concat must name 1 to {MAX_PARTS} parts.")
    part_ids = tuple(_upload_id(url) for url in urls)
    if len(set(part_ids)) < len(part_ids):
        raise BadRequest("Upload-Concat names a part twice.")
    return part_ids


def concat_header(concat: str, part_ids: Sequence[str]) -> str:
    """Return Upload-Concat as it is told: the parts by their paths, however the client wrote their URLs."""
    return f"{_FINAL}{' '.join(f'{PATH}/{part_id}' for part_id in part_ids)}" if part_ids else concat


def check_body_type(headers: Headers) -> None:
    """Make sure that a piece has the content type that tus asks for.

    Raises:
        UnsupportedMedia: it has another.
    """
    if headers.get("content-type", "").strip().lower() != CONTENT_TYPE:
        raise UnsupportedMedia(f"Send the bytes of an upload as {CONTENT_TYPE}.")


def _upload_id(url: str) -> str:
    try:
        path = urlsplit(url).path
    except ValueError:
        raise BadRequest("Upload-Concat has something that is not a URL.") from None
    folder, _, upload_id = path.rpartition("/")
    if not folder.endswith(PATH) or not is_stage_id(upload_id):
        raise NotFound("Upload-Concat names something that is not an upload here.")
    return upload_id


def _decoded(encoded: str, name: str) -> bytes:
    try:
        return b64decode(encoded.strip(), validate=True)
    except (binascii.Error, ValueError):
        raise BadRequest(f"{name} has a value that is not base64.") from None
