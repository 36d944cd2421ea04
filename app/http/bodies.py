"""How bodies of files are described: the form, and the bytes as they are.

Generators of clients know `multipart/form-data` and `application/octet-stream`; of several forms some take the first,
and a range of types such as `image/*` is nothing that they can send.
"""

from __future__ import annotations

from typing import Any

BYTES: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}

_FILE_FORM: dict[str, Any] = {
    "title": "FileForm",
    "type": "object",
    "description": "One file.",
    "required": ["file"],
    "properties": {"file": BYTES["schema"]},
}

_FILES_FORM: dict[str, Any] = {
    "title": "FilesForm",
    "type": "object",
    "description": "Several files, each in a part named `file`.",
    "required": ["file"],
    "properties": {"file": {"type": "array", "items": BYTES["schema"], "minItems": 1}},
}


def file_body(what: str) -> dict[str, Any]:
    """Return the description of a body that is `what`, as a form or as it is, for `openapi_extra`."""
    return {
        "requestBody": {
            "required": True,
            "description": f"{what}: a form with one part named `file`, or the bytes as they are (any Content-Type).",
            "content": {"multipart/form-data": {"schema": _FILE_FORM}, "application/octet-stream": BYTES},
        }
    }


def files_body(what: str, list_schema: dict[str, Any]) -> dict[str, Any]:
    """Return the description of a body that is a form of files, or a list in JSON, for `openapi_extra`."""
    return {
        "requestBody": {
            "required": True,
            "description": what,
            "content": {
                "multipart/form-data": {"schema": _FILES_FORM},
                "application/json": {"schema": list_schema},
            },
        }
    }


def stored_bytes() -> dict[str, Any]:
    """Return the content of an answer that has bytes of any type.

    `*/*` is true; the other is what generators can read, and what they take of the two.
    """
    return {"application/octet-stream": BYTES, "*/*": BYTES}
