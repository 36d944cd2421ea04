"""What is known about an item, as JSON (camelCase, like the API) beside its bytes: an item is there when this is."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from datetime import datetime

from app.domain.media import MediaDetails, MediaItem, MediaKind
from app.storage import ids

SUFFIX = ".json"

_EXTENSION = re.compile(r"\.[a-z0-9]{1,8}\Z")


def _camel_case(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))


_DETAILS = {field.name: _camel_case(field.name) for field in fields(MediaDetails)}
_ITEM = {field.name: _camel_case(field.name) for field in fields(MediaItem) if field.name != "details"}


def path_of(media_id: str) -> str:
    """Return where the metadata of an item is, below the root of the store.

    Raises:
        NotFound: it is not one of our ids.
    """
    return ids.path_of(media_id, SUFFIX)


def encode(item: MediaItem) -> bytes:
    document = {key: getattr(item, name) for name, key in _ITEM.items()}
    document |= {key: getattr(item.details, name) for name, key in _DETAILS.items()}
    if not item.details.pending:
        del document["pending"]
    return json.dumps(document, default=datetime.isoformat, ensure_ascii=False, indent=1).encode()


def decode(media_id: str, data: bytes) -> MediaItem:
    """Read what `encode` wrote for the item of this id, now or in an earlier version.

    Where its bytes are follows from the id: whoever can write this file, as others who share a bucket can, must not be
    able to make the item one of other bytes.

    Raises:
        ValueError: it is broken, or that of another item.
    """
    document = json.loads(data)
    try:
        members = {name: document[key] for name, key in _ITEM.items()}
        extension = _extension_of(members["path"])
        members["kind"] = MediaKind(members["kind"])
        members["created_at"] = datetime.fromisoformat(members["created_at"])
        details = MediaDetails(**{name: document[key] for name, key in _DETAILS.items() if key in document})
    except (KeyError, TypeError) as error:
        raise ValueError(f"the metadata lacks something: {error}") from error
    own = {"id": media_id, "kind": ids.kind_of(media_id), "path": ids.path_of(media_id, extension)}
    if any(members[name] != value for name, value in own.items()):
        raise ValueError("the metadata is that of another item, or names another place")
    return MediaItem(**members, details=details)


def _extension_of(path: str) -> str:
    """Return the extension of a stored path, with its dot."""
    match = _EXTENSION.search(path)
    if match is None or match[0] == SUFFIX:
        raise ValueError("the path in the metadata has no extension of a media file")
    return match[0]
