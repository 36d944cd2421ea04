"""JSON shapes, camelCase outside."""

from __future__ import annotations

from typing import Any

from app.http.schema import Schema


class ImageOperationSchema(Schema):
    """One operation, and the JSON schema of each of its parameters."""

    name: str
    summary: str
    parameters: dict[str, object]


class ImageOperationsSchema(Schema):
    """All operations in the order in which they are applied, whatever the order in a request."""

    order: list[str]
    operations: list[ImageOperationSchema]
    formats: list[str]
    max_width: int
    max_height: int
    max_pixels: int


class InfoSchema(Schema):
    """What is known of a picture; width and height are those of the upright picture.

    `color_space`: `srgb`, `gray`, `cmyk`, or `rgb` with another `color_profile`. `thumb_hash` is base64.
    """

    format: str
    width: int
    height: int
    orientation: int
    frames: int
    has_alpha: bool
    color_space: str
    color_profile: str | None
    size_bytes: int
    dominant_color: str
    thumb_hash: str
    exif: dict[str, Any] | None
