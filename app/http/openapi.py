"""The OpenAPI document: what FastAPI reads off the routes, and what the layers around them add to every answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from app.errors import PROBLEM_TYPE
from app.http import problems

_REQUEST_ID = {"description": "The request's own id, or a new one.", "schema": {"type": "string"}}
_RETRY_AFTER = {"description": "Seconds after which to try again.", "schema": {"type": "integer"}}
_AUTHENTICATE = {"description": "`Bearer`", "schema": {"type": "string"}}


class Document:
    """Makes the document when it is first asked for."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self._document: dict[str, Any] | None = None

    def __call__(self) -> dict[str, Any]:
        if self._document is None:
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
                _describe_sequence(response)
            self._document = document
        return self._document


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


def _describe_sequence(response: dict[str, Any]) -> None:
    """Say what is in a stream of events as 3.1 can: `schema` is that of each event (`itemSchema` came with 3.2)."""
    for content in response.get("content", {}).values():
        if "itemSchema" in content:
            content["schema"] = content.pop("itemSchema")
