"""The method of a resumable upload's request, where a client's surroundings know only GET and POST."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

HEADER = "X-HTTP-Method-Override"

_METHODS = frozenset({"PATCH", "DELETE", "HEAD"})


class MethodOverride:
    """Takes the header for the method of a POST below `path` (tus 1.0.0, "X-HTTP-Method-Override").

    It stands behind the guards: what they refuse as a POST is refused.
    """

    def __init__(self, app: ASGIApp, path: str) -> None:
        self._app = app
        self._below = f"{path}/"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "POST" and scope["path"].startswith(self._below):
            method = Headers(scope=scope).get(HEADER, "").strip().upper()
            if method in _METHODS:
                scope["method"] = method
        await self._app(scope, receive, send)
