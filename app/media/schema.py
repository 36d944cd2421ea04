"""The JSON of media items, for the description of the interface. `media/delivery.py` writes it, streamed."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel


class _Schema(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="forbid")


class MediaItemSchema(_Schema):
    """One media item. Null: not known, or not there."""

    id: str
    timestamp_key: str = Field(description="A name that sorts by the time of the upload.")
    name: str = Field(description="What the client called it.")
    content_type: str = Field(description="The type by the bytes themselves.")
    kind: Literal["image", "video", "audio", "other"]
    size_bytes: int
    sha256: str | None
    width: int | None = Field(description="Pixels, as it is to be shown.")
    height: int | None
    duration_seconds: float | None
    frame_rate: float | None
    rotation: int | None = Field(description="By how many degrees clockwise a video's frames are turned to be shown.")
    large_file: bool = Field(description="Take `url` (or `path`): the bytes are not in `buffer`.")
    buffer: str | None = Field(description="The bytes in base64.")
    path: str = Field(description="The reference below the storage root.")
    url: str
    created_at: datetime
    expires_at: datetime | None
    file_path: str | None = Field(None, description="The absolute path, where front end and service share a disk.")


class MediaAnswer(MediaItemSchema):
    success: Literal[True]


class ClipAnswer(_Schema):
    """The same as the Electron editor reads it (`shape=clip`)."""

    success: Literal[True]
    clip: MediaItemSchema


class MediaList(_Schema):
    items: list[MediaItemSchema]
    next_cursor: str | None = Field(description="Give it as `cursor` to get the next page; null: there is none.")


UPLOAD_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "One file: as a form with one part named `file`, or as it is.",
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": {"type": "string", "format": "binary"}},
                }
            },
            "*/*": {"schema": {"type": "string", "format": "binary"}},
        },
    }
}
"""The two forms of an upload, for `openapi_extra`: the routes read the body themselves."""
