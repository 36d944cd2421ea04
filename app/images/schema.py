"""JSON shapes, camelCase outside."""

from __future__ import annotations

from app.http.schema import Schema


class OperationSchema(Schema):
    """One operation, and the JSON schema of each of its parameters."""

    name: str
    summary: str
    parameters: dict[str, object]


class OperationsSchema(Schema):
    """All operations in the order in which they are applied, whatever the order in a request."""

    order: list[str]
    operations: list[OperationSchema]
    formats: list[str]
    max_width: int
    max_height: int
    max_pixels: int
