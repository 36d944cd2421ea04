"""The JSON of media items: described for the interface, and written, by the same models."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal, TypeAlias

from pydantic import ConfigDict, Field, JsonValue, PlainSerializer, RootModel, WithJsonSchema

from app.domain.media import DetailsState, MediaKind
from app.http.schema import Schema


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


Moment: TypeAlias = Annotated[
    datetime, PlainSerializer(_rfc3339), WithJsonSchema({"type": "string", "format": "date-time"})
]


_EXAMPLE: dict[str, JsonValue] = {  # no null in it: FastAPI would leave it out
    "id": "vydqn8zq6tc7jtx9nmsfe6",
    "timestampKey": "1768383000123-jtx9nmsfe6.mp4",
    "name": "clip.mp4",
    "contentType": "video/mp4",
    "kind": "video",
    "sizeBytes": 24,
    "sha256": "3bee83cd93579b8504f6102a3ea57af43d230bdfefd60acc239c198aebb2136d",
    "width": 1920,
    "height": 1080,
    "durationSeconds": 62.4,
    "frameRate": 29.97,
    "rotation": 0,
    "details": "complete",
    "largeFile": False,
    "path": "media/video/ydqn/vydqn8zq6tc7jtx9nmsfe6.mp4",
    "url": "/v1/media/vydqn8zq6tc7jtx9nmsfe6/content",
    "createdAt": "2026-01-14T09:30:00.123Z",
    "expiresAt": "2026-02-14T09:30:00.123Z",
    "buffer": "AAAAGGZ0eXBtcDQyAAAAAG1wNDJpc29t",
}


class MediaItemSchema(Schema):
    """One media item. Null: not known, or not there."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    id: str
    timestamp_key: str = Field(description="A name that sorts by the time of the upload.")
    name: str = Field(description="What the client called it.")
    content_type: str = Field(description="The type by the bytes themselves.")
    kind: MediaKind
    size_bytes: int
    sha256: str | None
    width: int | None = Field(description="Pixels, as it is to be shown.")
    height: int | None
    duration_seconds: float | None
    frame_rate: float | None
    rotation: int | None = Field(description="By how many degrees clockwise a video's frames are turned to be shown.")
    details: DetailsState = Field(
        description="Whether width, duration and so on are known; `pending`: they are being found out (see /details)."
    )
    large_file: bool = Field(description="Take `url` (or `path`): the bytes are not in `buffer`.")
    path: str = Field(description="The reference below the storage root.")
    url: str
    presets: dict[str, str] = Field(
        {},
        description="Where a picture is by each preset of `BALLAST_IMAGE__PRESETS`.",
        exclude_if=lambda presets: not presets,
    )
    hls: str | None = Field(
        None,
        description="The master playlist of what an `hls` job made, for players.",
        exclude_if=lambda address: address is None,
    )
    created_at: Moment
    expires_at: Moment | None
    file_path: str | None = Field(
        None,
        description="The absolute path, where front end and service share a disk.",
        exclude_if=lambda path: path is None,
    )
    buffer: str | None = Field(description="The bytes in base64.")

    def members(self) -> bytes:
        """Return the JSON of all members but `buffer`, without the braces around them."""
        return self.model_dump_json(by_alias=True, exclude={"buffer"}).encode()[1:-1]


class MediaAnswer(MediaItemSchema):
    model_config = ConfigDict(json_schema_extra={"examples": [{"success": True, **_EXAMPLE}]})

    success: Literal[True]


class ClipAnswer(Schema):
    """The same as the Electron editor reads it (`shape=clip`)."""

    success: Literal[True]
    clip: MediaItemSchema


class StoredMedia(RootModel[MediaAnswer | ClipAnswer]):
    """The item in the shape that was asked for (`shape`)."""


class MediaList(Schema):
    items: list[MediaItemSchema]
    next_cursor: str | None = Field(description="Give it as `cursor` to get the next page; null: there is none.")
