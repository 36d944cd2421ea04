"""What a connection without a slot is answered: probes as ever, anything else with 503, and either only once.

The refusal is canned: those who are refused come again and again, and it must cost little more than accepting them.
"""

from __future__ import annotations

from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from app.errors import Overloaded
from app.server.head import Head
from app.server.probes import PROBE_PATHS
from app.server.refusal import Refusal

_RETRY_SECONDS = 2


def refusal_of(head: Head) -> Refusal | None:
    """Return how a request without a slot is refused; None: it is a probe."""
    if not head.upgrades_to_websocket and head.path.startswith(PROBE_PATHS):
        return None
    return Refusal(Overloaded("Too many connections are open.", retry_after_seconds=_RETRY_SECONDS))


class LastAnswer:
    """Has the application answer, and the connection closed afterwards."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def closing(message: Any) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], (b"connection", b"close")]}
            await send(message)

        await self._app(scope, receive, closing)
