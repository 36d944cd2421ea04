"""What Schemathesis cannot know of our media types: how bytes are sent, and how lines and events are read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import schemathesis

_LINES, _EVENTS = "application/x-ndjson", "text/event-stream"


@schemathesis.serializer("application/offset+octet-stream")  # type: ignore[untyped-decorator]
def send_bytes(_context: Any, value: Any) -> bytes:
    return value if isinstance(value, bytes) else json.dumps(value, default=str).encode()


@schemathesis.deserializer(_LINES)  # type: ignore[untyped-decorator]
def read_text(_context: Any, response: Any) -> str:
    """Lines are described as the text that they are; the check below looks into it."""
    text: str = response.content.decode()
    return text


@schemathesis.check  # type: ignore[untyped-decorator]
def sequences_are_as_described(_context: Any, response: Any, case: Any) -> None:
    """Hold the lines, or each event, of an answer against `contentSchema`."""
    media_type = response.headers.get("content-type", [""])[0].partition(";")[0]
    if media_type == _LINES:
        described = _described(case, response, media_type)
        _validate(described, [json.loads(line) for line in response.content.splitlines()])
    elif media_type == _EVENTS:
        described = _described(case, response, media_type)
        data = {**described["properties"]["data"]["contentSchema"], "components": described["components"]}
        for event in _events(response.content.decode()):
            _validate(described, event)
            _validate(data, json.loads(event["data"]))


def _described(case: Any, response: Any, media_type: str) -> dict[str, Any]:
    document = case.operation.schema.raw_schema
    responses = document["paths"][case.operation.path][case.operation.method.lower()]["responses"]
    schema = responses[str(response.status_code)]["content"][media_type]["schema"]["contentSchema"]
    return {**schema, "components": document["components"]}


def _events(text: str) -> Iterator[dict[str, str]]:
    """Give the events of the WHATWG's event stream format that are whole; comments are none."""
    for block in text.split("\n\n")[:-1]:
        fields = (line.partition(": ") for line in block.splitlines() if not line.startswith(":"))
        if event := {name: value for name, _, value in fields}:
            yield event


def _validate(schema: dict[str, Any], value: object) -> None:
    for error in jsonschema_rs.Draft202012Validator(schema).iter_errors(value):
        raise AssertionError(f"what comes is not as described: {error.message}")
