"""A cap on connections that keeps seats for the probes, and a deadline for the head of each request.

uvicorn closes nothing that is slow and answers above its own limit to nobody, also not to a probe. So each connection
takes a seat; who finds none is still listened to for a moment: /health and /metrics are answered, anything else is 503.
Above that again, the one that has been silent for the longest goes. WebSockets and idle keep-alive connections count.
"""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.config import Config
from uvicorn.server import ServerState

from app.errors import Overloaded
from app.server.linger import LingeringClose
from app.server.probes import PROBE_PATHS
from app.server.protocols import BoundedHttp
from app.server.refusal import Refusal

SPARE_SEATS = 32
"""Connections beyond the cap that may be open at a time: probes, and those that are just being refused."""

_RETRY_SECONDS = 2


class Seats:
    """The seats of one listener."""

    def __init__(self, total: int, header_seconds: float) -> None:
        self.header_seconds = header_seconds
        self._total = total
        self._standing: dict[SeatedProtocol, None] = {}  # in the order in which they came

    def sit(self, connection: SeatedProtocol) -> bool:
        """Give a seat to a connection that is just coming in; False: it stands, and the oldest standing one may go."""
        taken = len(connection.connections) - len(self._standing)
        if taken <= self._total:
            return True
        self._standing[connection] = None
        if len(self._standing) > SPARE_SEATS:
            next(iter(self._standing)).give_up()
        return False

    def leave(self, connection: SeatedProtocol) -> None:
        self._standing.pop(connection, None)


class SeatedProtocol(BoundedHttp):
    """uvicorn's connection, with a seat or standing."""

    def __init__(
        self,
        seats: Seats,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._seats = seats
        self._seated = True
        self._head_deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._seated = self._seats.sit(self)
        if not self._seated:
            self.app = LingeringClose(_ProbesOrRefusal(self.app), total_seconds=2.0, idle_seconds=0.5)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._seats.leave(self)
        self._stop_waiting()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._head_deadline is None:
            self._await_head()

    def on_headers_complete(self) -> None:
        self._stop_waiting()
        super().on_headers_complete()

    def handle_websocket_upgrade(self) -> None:
        self._stop_waiting()
        if self._seated:
            super().handle_websocket_upgrade()
        else:
            self.transport.write(Refusal(_overloaded()).raw())
            self.transport.close()

    def give_up(self) -> None:
        """Close the connection without an answer."""
        self._seats.leave(self)
        self.transport.close()

    def _await_head(self) -> None:
        self._head_deadline = self.loop.call_later(self._seats.header_seconds, self._head_is_late)

    def _head_is_late(self) -> None:
        self._head_deadline = None
        if self.cycle is not None and not self.cycle.response_complete:
            self._await_head()  # it has begun to ask again before it was answered
        elif not self.transport.is_closing():
            self.transport.close()

    def _stop_waiting(self) -> None:
        if self._head_deadline is not None:
            self._head_deadline.cancel()
            self._head_deadline = None


class _ProbesOrRefusal:
    """Answers probes, and anything else with 503; the connection is closed after either."""

    def __init__(self, app: Any) -> None:
        self._app: ASGIApp = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(PROBE_PATHS):
            await self._app({**scope, "headers": [*scope["headers"]]}, receive, _closing(send))
        else:
            await Refusal(_overloaded())(scope, receive, send)


def _closing(send: Send) -> Send:
    async def closing(message: Any) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], (b"connection", b"close")]}
        await send(message)

    return closing


def _overloaded() -> Overloaded:
    return Overloaded("Too many connections are open.", retry_after_seconds=_RETRY_SECONDS)
