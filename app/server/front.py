"""What all connections of one listener have in common: who is let in, and what answers them."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, cast

from starlette.types import ASGIApp

from app.server.connection import Connection, Exchange
from app.server.exchange import HttpExchange
from app.server.forwarded import Proxies
from app.server.head import Head
from app.server.inlet import SLICE_BYTES
from app.server.linger import LingeringClose
from app.server.overflow import LastAnswer
from app.server.pace import Pace
from app.server.slots import Slots
from app.server.traffic import STATES, Traffic
from app.server.uvicorn_parts import ServerState
from app.server.websocket import WebSocketExchange

SHORT_KEEP_ALIVE_SECONDS = 5.0
"""How long an idle connection may stay where most slots are taken (uvicorn's and Node's default)."""

_ESTABLISHED = 1  # tcp_states.h


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a listener's connections may do.

    The head of a request has `header_seconds`; a client reads `min_rate` bytes a second at least, over
    `pace_seconds`; a WebSocket message has `message_bytes` at most; an idle connection waits `keep_alive_seconds` for
    its next request.
    """

    header_seconds: float
    min_rate: int
    message_bytes: int
    pace_seconds: float = 20.0
    keep_alive_seconds: float = 75.0


class Front:
    """Lets connections in, and hands their requests to the application."""

    def __init__(
        self,
        app: ASGIApp,
        slots: Slots,
        bounds: Bounds,
        proxies: Proxies,
        state: Mapping[str, Any],
        traffic: Traffic,
    ) -> None:
        """`state` is what each request finds in its own; `traffic` counts them."""
        self.buffer = memoryview(bytearray(SLICE_BYTES))
        self.bounds = bounds
        self.idle: dict[Connection, float] = {}
        """Since when connections wait for their next request (the loop's time), the longest first."""
        self.is_leaving = False
        """Each answer is the last one on its connection."""
        self.traffic = traffic
        self._app = app
        self._overflow_app: ASGIApp = LingeringClose(LastAnswer(app), total_seconds=2.0, idle_seconds=0.5)
        self._slots = slots
        self._proxies = proxies
        self._state = state
        self._server_state = ServerState()
        self._paused: set[Connection] = set()
        self.loop = asyncio.get_running_loop()
        self.pace = Pace(self.loop, lambda: bool(self._server_state.connections))

    @property
    def connections(self) -> Collection[Connection]:
        return cast("set[Connection]", self._server_state.connections)

    @property
    def refused(self) -> Mapping[str, int]:
        """How many connections were refused, by reason (`app.server.slots`)."""
        return self._slots.refused

    @property
    def default_headers(self) -> list[tuple[bytes, bytes]]:
        return self._server_state.default_headers

    def connection(self, server_state: ServerState, **_uvicorn: Any) -> Connection:
        """Return the protocol of a new connection (uvicorn's `http` class is called like this)."""
        self._server_state = server_state
        return Connection(self)

    def admit(self, connection: Connection) -> bool:
        """Give a new connection a slot; False: there is none, not even in overflow."""
        connection.customer = self._proxies.customer_of(*connection.client)
        self._server_state.connections.add(connection)  # type: ignore[arg-type] # they are none of uvicorn's
        self.traffic.accepted += 1
        self.pace.watch()
        return self._slots.admit(connection)

    def forget(self, connection: Connection) -> None:
        """Take back what a connection held that is closed."""
        self._server_state.connections.discard(connection)
        self._paused.discard(connection)
        self.idle.pop(connection, None)
        self.traffic.left(connection)
        self._slots.remove(connection)

    def begin(self, connection: Connection, head: Head) -> Exchange:
        """Hand a request to the application."""
        if head.upgrades_to_websocket:
            scope = self._scope(connection, head, "websocket")
            return WebSocketExchange(connection, head, self._app, scope)
        scope = self._scope(connection, head, "http")
        return HttpExchange(connection, head, self._overflow_app if connection.is_overflow else self._app, scope)

    def watch(self, connection: Connection) -> None:
        """Reading is paused: the loop does not see that the client goes."""
        self._paused.add(connection)

    def unwatch(self, connection: Connection) -> None:
        self._paused.discard(connection)

    @property
    def is_empty(self) -> bool:
        return not self._server_state.connections

    def states(self) -> dict[str, int]:
        """Return how many connections are in which state."""
        exchanges = [connection.exchange for connection in self.connections]
        websockets = sum(type(exchange) is WebSocketExchange for exchange in exchanges)
        requests = sum(exchange is not None for exchange in exchanges) - websockets
        waiting = len(exchanges) - requests - websockets - len(self.idle)
        return dict(zip(STATES, (requests, websockets, len(self.idle), waiting), strict=True))

    def leave(self) -> None:
        """From now on each answer is the last one on its connection."""
        self.is_leaving = True

    def shutdown(self) -> None:
        """Close what is idle, and what is not as soon as it is answered."""
        self.is_leaving = True
        for connection in tuple(self.connections):
            connection.shutdown()

    def cut_unanswered(self) -> None:
        """End what nobody has an answer of yet; it is told that the service ends."""
        for connection in tuple(self.connections):
            if connection.exchange is None:
                connection.close()
            elif not connection.exchange.is_answering:
                connection.exchange.cancel()

    def cut_all(self) -> None:
        """End whatever goes on."""
        for connection in tuple(self.connections):
            if connection.exchange is not None:
                connection.exchange.cancel()
            else:
                connection.close()

    def abort(self) -> None:
        """Close every connection at once."""
        for connection in tuple(self.connections):
            connection.cut()

    def look_after(self) -> None:
        """Look for clients that have gone, and for idle ones where slots are short; call it now and then."""
        self.find_gone()
        if self._slots.are_short:
            _close_idle(self.idle, self.loop.time() - SHORT_KEEP_ALIVE_SECONDS)

    def find_gone(self) -> None:
        """Tell paused connections whose client has gone; call it now and then."""
        for connection in tuple(self._paused):
            if not _is_established(connection.transport):
                self._paused.discard(connection)
                connection.cut()

    def _scope(self, connection: Connection, head: Head, kind: str) -> dict[str, Any]:
        transport = connection.transport
        server = transport.get_extra_info("sockname")
        peer, port = connection.client
        is_http = kind == "http"
        scope: dict[str, Any] = {
            "type": kind,
            "asgi": {"version": "3.0", "spec_version": "2.3" if is_http else "2.4"},
            "http_version": head.http_version,
            "scheme": "http" if is_http else "ws",
            "server": (str(server[0]), int(server[1])) if isinstance(server, tuple) else None,
            "client": (self._proxies.client_of(peer, head.headers), port),
            "root_path": "",
            "path": head.path,
            "raw_path": head.raw_path,
            "query_string": head.query_string,
            "headers": head.headers,
            "state": dict(self._state),
        }
        if is_http:
            scope["method"] = head.method
        else:
            scope["extensions"] = {"websocket.http.response": {}}
        return scope


def _close_idle(idle: Mapping[Connection, float], before: float) -> None:
    """Close those that have been idle since before a time of the loop."""
    for connection, since in tuple(idle.items()):
        if since > before:
            break
        connection.close()


def _is_established(transport: asyncio.Transport) -> bool:
    """Whether the kernel has neither a FIN nor a reset of the client (tcp_info's first byte; where there is one)."""
    peer = transport.get_extra_info("socket")
    if transport.is_closing() or peer is None or not hasattr(socket, "TCP_INFO"):
        return True
    try:
        state: bytes = peer.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)
    except OSError:
        return True  # no TCP socket
    return state[0] == _ESTABLISHED
