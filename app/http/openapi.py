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
            self._document = document
        return self._document
