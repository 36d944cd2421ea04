"""The small JSON that lies beside each stored object: written last at commit, removed first at delete."""

from __future__ import annotations

import json
from datetime import datetime

from app.domain.media import MediaDetails, MediaItem, MediaKind

SUFFIX = ".json"


def encode(item: MediaItem) -> bytes:
    """Write an item as JSON (camelCase, like the API)."""
    details = item.details
    document = {
        "id": item.id,
        "timestampKey": item.timestamp_key,
        "name": item.name,
        "contentType": item.content_type,
        "kind": item.kind.value,
        "sizeBytes": item.size_bytes,
        "sha256": item.sha256,
        "path": item.path,
        "createdAt": item.created_at.isoformat(),
        "width": details.width,
        "height": details.height,
        "durationSeconds": details.duration_seconds,
        "frameRate": details.frame_rate,
        "rotation": details.rotation,
    }
    return json.dumps(document, ensure_ascii=False, indent=1).encode()


def decode(data: bytes) -> MediaItem:
    """Read what `encode` wrote.

    Raises:
        ValueError: it is broken.
    """
    document = json.loads(data)
    try:
        return MediaItem(
            id=document["id"],
            timestamp_key=document["timestampKey"],
            name=document["name"],
            content_type=document["contentType"],
            kind=MediaKind(document["kind"]),
            size_bytes=document["sizeBytes"],
            sha256=document["sha256"],
            path=document["path"],
            created_at=datetime.fromisoformat(document["createdAt"]),
            details=MediaDetails(
                width=document["width"],
                height=document["height"],
                duration_seconds=document["durationSeconds"],
                frame_rate=document["frameRate"],
                rotation=document.get("rotation"),
            ),
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"the metadata lacks something: {error}") from error
