"""What Schemathesis cannot know of our media types: how bytes are sent, and how lines are read."""

from __future__ import annotations

import json
from typing import Any

import schemathesis


@schemathesis.serializer("application/offset+octet-stream")  # type: ignore[untyped-decorator]
def send_bytes(_context: Any, value: Any) -> bytes:
    return value if isinstance(value, bytes) else json.dumps(value, default=str).encode()


@schemathesis.deserializer("application/x-ndjson")  # type: ignore[untyped-decorator]
def read_lines(_context: Any, response: Any) -> list[Any]:
    """An answer of lines is described as an array of them."""
    return [json.loads(line) for line in response.content.splitlines()]
