"""What a connection without a slot is answered: probes as ever, anything else with 503, and either only once."""

from __future__ import annotations

from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from app.errors import Overloaded
from app.server.probes import PROBE_PATHS
from app.server.refusal import Refusal

_RETRY_SECONDS = 2


class ProbesOrRefusal:
    """Answers probes, and anything else with 503; the connection is closed after either."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(PROBE_PATHS):
            await self._app(scope, receive, _closing(send))
        else:
            error = Overloaded("Too many connections are open.", retry_after_seconds=_RETRY_SECONDS)
            await Refusal(error)(scope, receive, send)


def _closing(send: Send) -> Send:
    async def closing(message: Any) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], (b"connection", b"close")]}
        await send(message)

    return closing
