"""What is known about an item, as JSON (camelCase, like the API) beside its bytes: an item is there when this is."""

from __future__ import annotations

import json
from dataclasses import fields
from datetime import datetime

from app.domain.media import MediaDetails, MediaItem, MediaKind
from app.storage import ids

SUFFIX = ".json"


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
    return f"media/{ids.kind_of(media_id)}/{ids.bucket_of(media_id)}/{media_id}{SUFFIX}"


def encode(item: MediaItem) -> bytes:
    document = {key: getattr(item, name) for name, key in _ITEM.items()}
    document |= {key: getattr(item.details, name) for name, key in _DETAILS.items()}
    return json.dumps(document, default=datetime.isoformat, ensure_ascii=False, indent=1).encode()


def decode(data: bytes) -> MediaItem:
    """Read what `encode` wrote, now or in an earlier version.

    Raises:
        ValueError: it is broken.
    """
    document = json.loads(data)
    try:
        members = {name: document[key] for name, key in _ITEM.items()}
        members["kind"] = MediaKind(members["kind"])
        members["created_at"] = datetime.fromisoformat(members["created_at"])
        details = MediaDetails(**{name: document.get(key) for name, key in _DETAILS.items()})
    except (KeyError, TypeError) as error:
        raise ValueError(f"the metadata lacks something: {error}") from error
    return MediaItem(**members, details=details)
