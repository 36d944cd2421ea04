"""A cap on connections that always has room for the probes, and a deadline for the head of each request.

uvicorn never closes a slow connection, and above its own limit it answers nobody, not even a probe. So each connection
takes a slot. One that comes when all are taken is an overflow connection, which is still answered once: /health and
/metrics as ever, anything else with 503. Those are few, too: the oldest is closed to make room for the next.
WebSockets and idle keep-alive connections count.
"""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from app.errors import Overloaded
from app.server.linger import LingeringClose
from app.server.probes import PROBE_PATHS
from app.server.protocols import BoundedHttp
from app.server.refusal import Refusal
from app.server.uvicorn_parts import Config, ServerState

MAX_OVERFLOW = 32
"""Connections beyond the cap that may be open at a time: probes, and those that are being refused."""

_RETRY_SECONDS = 2


class Slots:
    """The slots of one listener."""

    def __init__(self, total: int, header_seconds: float) -> None:
        self.header_seconds = header_seconds
        self._total = total
        self._overflow: dict[CappedHttp, None] = {}  # in the order of arrival

    def admit(self, connection: CappedHttp) -> bool:
        """Give a slot to a new connection. False: it overflows, and the oldest such connection may be closed for it."""
        taken = len(connection.connections) - len(self._overflow)
        if taken <= self._total:
            return True
        self._overflow[connection] = None
        if len(self._overflow) > MAX_OVERFLOW:
            oldest = next(iter(self._overflow))
            self.remove(oldest)
            oldest.transport.close()
        return False

    def remove(self, connection: CappedHttp) -> None:
        """Forget a connection that is closed."""
        self._overflow.pop(connection, None)


class CappedHttp(BoundedHttp):
    """uvicorn's connection, with a slot or in overflow."""

    def __init__(
        self,
        slots: Slots,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._slots = slots
        self._admitted = True
        self._head_deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._admitted = self._slots.admit(self)
        if not self._admitted:
            self.app = LingeringClose(_ProbesOrRefusal(self.app), total_seconds=2.0, idle_seconds=0.5)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._slots.remove(self)
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
        if self._admitted:
            super().handle_websocket_upgrade()
        else:
            self.transport.write(Refusal(_overloaded()).raw())
            self.transport.close()

    def _await_head(self) -> None:
        self._head_deadline = self.loop.call_later(self._slots.header_seconds, self._head_is_late)

    def _head_is_late(self) -> None:
        self._head_deadline = None
        if self.cycle is not None and not self.cycle.response_complete:
            self._await_head()  # the client began its next request before this one was answered
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
            await self._app(scope, receive, _closing(send))
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
