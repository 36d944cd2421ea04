"""The OpenAPI document: what FastAPI reads off the routes, and what the layers around them add to every answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.requests import Request
from starlette.responses import Response

from app.errors import PROBLEM_TYPE
from app.http import problems
from app.http.component_schemas import name_schemas

_REQUEST_ID = {"description": "The request's own id, or a new one.", "schema": {"type": "string"}}
_RETRY_AFTER = {"description": "Seconds after which to try again.", "schema": {"type": "integer"}}
_AUTHENTICATE = {"description": "`Bearer`", "schema": {"type": "string"}}


class Document:
    """Makes the document; its text is kept once it has been asked for."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self._text: bytes | None = None

    def __call__(self) -> dict[str, Any]:
        app = self._app
        document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        components = document.setdefault("components", {})
        components.setdefault("schemas", {})["Problem"] = problems.SCHEMA
        components["securitySchemes"] = {
            "key": {"type": "http", "scheme": "bearer", "description": "Where keys are set."}
        }
        document["security"] = [{"key": []}, {}]
        for status, response in _responses(document):
            _describe_headers(status, response)
            _describe_sequences(response)
            _put_json_first(response)
        for parameter in _parameters(document):
            _simplify(parameter["schema"])
        name_schemas(document)
        return document

    async def answer(self, _request: Request) -> Response:
        """Answer `GET /openapi.json` (FastAPI's own route writes the text anew each time: 2.5 ms)."""
        if self._text is None:
            self._text = json.dumps(self(), ensure_ascii=False, separators=(",", ":")).encode()
        return Response(self._text, media_type="application/json")


def _responses(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for item in document["paths"].values():
        for operation in item.values():
            yield from operation["responses"].items()


def _describe_headers(status: str, response: dict[str, Any]) -> None:
    """Add the headers that http/guards.py and http/problems.py give."""
    headers = {"X-Request-Id": _REQUEST_ID}
    if status in ("429", "503") and PROBLEM_TYPE in response.get("content", {}):
        headers["Retry-After"] = _RETRY_AFTER
    if status == "401":
        headers["WWW-Authenticate"] = _AUTHENTICATE
    response["headers"] = response.get("headers", {}) | headers


def _describe_sequences(response: dict[str, Any]) -> None:
    """Describe events and lines as the text that they are, and by `contentSchema` what is in it.

    3.1 has no `itemSchema`, which came with 3.2, and an array is nothing that a generated client could read them as.
    """
    for media_type, content in response.get("content", {}).items():
        if media_type == "text/event-stream":
            text = {"type": "string"}  # told event by event
        elif media_type == "application/x-ndjson":
            text = {"type": "string", "format": "binary"}
        else:
            continue
        schema = content.pop("itemSchema", None) or content.pop("schema")
        content["schema"] = {**text, "contentMediaType": media_type, "contentSchema": schema}


def _put_json_first(response: dict[str, Any]) -> None:
    """Name JSON first of the types of an answer: of several forms generators take the first for what comes."""
    if "application/json" in (content := response.get("content", {})):
        response["content"] = {"application/json": content["application/json"]} | content


def _parameters(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for item in document["paths"].values():
        for operation in item.values():
            yield from operation.get("parameters", ())


def _simplify(schema: dict[str, Any]) -> None:
    """Leave out of a parameter's schema what is not so, or said twice.

    A query string has no null: what may be left out is what it is where it is there. The parameter itself has the
    description already.
    """
    choices = [choice for choice in schema.get("anyOf", ()) if choice != {"type": "null"}]
    if len(choices) == 1:
        del schema["anyOf"]
        schema.update(choices[0])
    schema.pop("description", None)
