"""The OpenAPI document: what FastAPI reads off the routes, and the keys, which are checked before any route."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi


class Document:
    """Makes the document when it is first asked for."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self._document: dict[str, Any] | None = None

    def __call__(self) -> dict[str, Any]:
        if self._document is None:
            app = self._app
            document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
            schemes = document.setdefault("components", {}).setdefault("securitySchemes", {})
            schemes["key"] = {"type": "http", "scheme": "bearer", "description": "Where keys are set."}
            document["security"] = [{"key": []}, {}]
            _describe_sequences(document)
            self._document = document
        return self._document


def _describe_sequences(document: dict[str, Any]) -> None:
    """Say what is in a stream of events as 3.1 can: an array of its items (`itemSchema` came with 3.2)."""
    for item in document["paths"].values():
        for operation in item.values():
            for response in operation.get("responses", {}).values():
                for content in response.get("content", {}).values():
                    if "itemSchema" in content:
                        content["schema"] = {"type": "array", "items": content.pop("itemSchema")}
