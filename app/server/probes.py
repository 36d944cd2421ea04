"""Probes: what anybody may ask, under any load, and on a listener of its own."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from app.errors import NotFound
from app.server.refusal import Refusal

PROBE_PATHS = ("/health/", "/metrics")
_MARK = "ballast.probe"


class ProbesOnly:
    """Health and metrics of the application, and nothing else; no key is asked for."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(PROBE_PATHS):
            scope[_MARK] = True
            await self._app(scope, receive, send)
        else:
            await Refusal(NotFound("Only /health and /metrics are answered here."))(scope, receive, send)


def is_probe(scope: Scope) -> bool:
    """Whether anybody may ask this: health, and whatever came in by the probe listener."""
    return _MARK in scope or scope["path"].startswith("/health/")
