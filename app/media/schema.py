"""The JSON of media items: described for the interface, and written, by the same models."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, PlainSerializer, WithJsonSchema

from app.domain.media import MediaKind
from app.http.schema import Schema


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


Moment: TypeAlias = Annotated[
    datetime, PlainSerializer(_rfc3339), WithJsonSchema({"type": "string", "format": "date-time"})
]


class MediaItemSchema(Schema):
    """One media item. Null: not known, or not there."""

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
    large_file: bool = Field(description="Take `url` (or `path`): the bytes are not in `buffer`.")
    path: str = Field(description="The reference below the storage root.")
    url: str
    presets: dict[str, str] = Field(
        {},
        description="Where a picture is by each preset of `BALLAST_IMAGE__PRESETS`.",
        exclude_if=lambda presets: not presets,
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
    success: Literal[True]


class ClipAnswer(Schema):
    """The same as the Electron editor reads it (`shape=clip`)."""

    success: Literal[True]
    clip: MediaItemSchema


class MediaList(Schema):
    items: list[MediaItemSchema]
    next_cursor: str | None = Field(description="Give it as `cursor` to get the next page; null: there is none.")
