"""Stored media: what a client sent or a job made, as the store keeps it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from operator import attrgetter
from typing import Any, TypeAlias

Chunk: TypeAlias = bytes | memoryview
"""Some of the bytes of a body or a file, on their way."""


class MediaKind(StrEnum):
    IMAGE = "image"
    VIDEO = "video"
    AUDIO = "audio"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class MediaType:
    """A type that is recognised by its bytes: its content type, its kind and our file name extension (with the dot)."""

    content_type: str
    kind: MediaKind
    extension: str


class DetailsState(StrEnum):
    """Whether the details of an item are known, are still to be found out, or could not be."""

    COMPLETE = "complete"
    PENDING = "pending"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class MediaDetails:
    """What a header or a probe tells; None where it is not known. Width and height are those to be shown, in pixels.

    `pending` says that nobody has been able to look yet. `rotation` is by how many degrees clockwise a video's frames
    have to be turned for that: 0, 90, 180 or 270.
    """

    width: int | None = None
    height: int | None = None
    duration_seconds: float | None = None
    frame_rate: float | None = None
    rotation: int | None = None
    pending: bool = False

    @property
    def state(self) -> DetailsState:
        if self.pending:
            return DetailsState.PENDING
        is_known = self.width is not None or self.duration_seconds is not None
        return DetailsState.COMPLETE if is_known else DetailsState.UNKNOWN


@dataclass(frozen=True, slots=True)
class MediaItem:
    """One committed media item. Its bytes never change: new ones are a new item. Details may become known later.

    `path` is the reference below the storage root. `timestamp_key` sorts by the time of the commit. `name` is what the
    client called it: it is only ever shown, never part of a path. `sha256` is hexadecimal, None if no digest was taken.
    """

    id: str
    timestamp_key: str
    name: str
    content_type: str
    kind: MediaKind
    size_bytes: int
    sha256: str | None
    path: str
    created_at: datetime
    details: MediaDetails = MediaDetails()

    def members(self) -> dict[str, Any]:
        """Return all that is known of it by name, the details among the rest: what is written as JSON."""
        return dict(zip(_NAMES, _VALUES(self), strict=True))


_OWN = [field.name for field in fields(MediaItem) if field.name != "details"]
_DETAILS = [field.name for field in fields(MediaDetails) if field.name != "pending"]
_NAMES = (*_OWN, *_DETAILS, "details")
_VALUES = attrgetter(*_OWN, *(f"details.{name}" for name in _DETAILS), "details.state")


@dataclass(frozen=True, slots=True)
class MediaPage:
    """Items, newest first, and the cursor of the next page (None: this was the last)."""

    items: tuple[MediaItem, ...]
    next_cursor: str | None
