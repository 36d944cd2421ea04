"""uvicorn's protocols with bounds it does not have: on a request's head, a message's fragments, and control frames.

Bodies are not copied, where uvicorn copies each piece twice on its way to the application; and what is refused here is
answered with a problem, where uvicorn and `websockets` have plain text.
"""

from __future__ import annotations

import asyncio
import http
from typing import Any, cast

import httptools
from websockets.datastructures import Headers
from websockets.frames import Frame
from websockets.http11 import Response
from websockets.server import ServerProtocol

from app.domain.units import KIB
from app.errors import BadRequest, InternalError
from app.server.large_body import LARGE_BYTES, BodyReader, Cycle, announced_bytes
from app.server.refusal import Refusal
from app.server.uvicorn_parts import HttpToolsProtocol, WebSocketsSansIOProtocol

MAX_HEAD_BYTES = 64 * KIB
"""Request line and headers together (nginx: 4 buffers of 8 KiB)."""

MAX_FRAGMENTS = 4096
"""Fragments of one WebSocket message; more are answered with 1008. Browsers send a message in a handful."""

MAX_PINGS = 256
"""Pings between two messages."""

_BAD_HANDSHAKE = "The opening handshake of the WebSocket is not valid."

_WRITE_BUFFER_BYTES = 256 * KIB
"""What may wait for a client that sends pings and does not read."""

_LINGER_SECONDS = 0.5
_LINGER_BYTES = 1024 * KIB
"""For how long, and for how much, what still comes after a refusal is discarded."""


class BoundedHttp(HttpToolsProtocol):
    """Refuses a head above `MAX_HEAD_BYTES` with 431, and answers what is not HTTP with a problem.

    After either it lingers by itself: what `linger.LingeringClose` reads are the messages of a parsed request, and here
    nothing can be parsed any more.
    """

    _in_head = True
    _head_bytes = 0
    _refused = False
    _body_bytes = 0

    def data_received(self, data: bytes) -> None:
        if self._refused:
            self._head_bytes += len(data)
            if self._head_bytes > _LINGER_BYTES:
                self.transport.abort()
            return
        if self._in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._body_bytes > LARGE_BYTES and not self.transport.is_closing():
            BodyReader(self, cast("Cycle", self.cycle), self._body_bytes)
            self._body_bytes = 0
        if self._in_head and self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self._refuse(431, "The head of the request is too large.")

    def on_headers_complete(self) -> None:
        self._in_head = False
        super().on_headers_complete()
        if self.cycle is not None and self.cycle.scope is self.scope:  # it is a request, not an upgrade
            self._body_bytes = announced_bytes(self.headers)

    def on_body(self, body: bytes) -> None:
        self._body_bytes -= len(body)
        if self.cycle is not None:
            self.cycle.body = _room_for_more(self.cycle.body)  # type: ignore[assignment] # bytes do as well
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._in_head, self._head_bytes = True, 0  # what comes next is a head
        super().on_message_complete()

    def body_came(self) -> None:
        """Do what is done for any bytes that come."""
        self._unset_keepalive_if_required()

    def body_ended(self) -> None:
        """Go on after a body that bypassed the parser."""
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self.on_message_complete()

    def send_400_response(self, msg: str) -> None:
        self._refuse(400, msg)

    def _should_upgrade(self) -> bool:
        # Only a GET can become a WebSocket (RFC 6455, section 4.1); anything else is answered as what it is.
        return bool(self.parser.get_method() == b"GET") and super()._should_upgrade()

    def _unsupported_upgrade_warning(self) -> None:
        """Say nothing: any client can cause it as often as it likes."""

    def _refuse(self, status: int, detail: str) -> None:
        self.transport.write(Refusal(BadRequest(detail), status).raw())
        self._refused = True
        self.loop.call_later(_LINGER_SECONDS, self.transport.close)


def _room_for_more(waiting: bytes | bytearray) -> bytes | bytearray:
    """Return what a piece of a body can be added to (`+=`) at the least cost.

    `b""` plus bytes is those bytes themselves, and `bytes` of them are they again: a piece that finds nothing waiting
    is never copied. Where some wait, only a `bytearray` grows without copying them all each time.
    """
    if not waiting:
        return b""
    return waiting if isinstance(waiting, bytearray) else bytearray(waiting)


class _Handshake(ServerProtocol):
    """Refuses with a problem where `websockets` has plain text."""

    def reject(self, status: http.HTTPStatus | int, text: str) -> Response:
        del text  # it names the library's exceptions
        error = InternalError("The WebSocket could not be opened.") if status >= 500 else BadRequest(_BAD_HANDSHAKE)
        refusal = Refusal(error, int(status))
        return Response(refusal.status, http.HTTPStatus(status).phrase, Headers(refusal.headers), refusal.body)


class BoundedWebSocket(WebSocketsSansIOProtocol):
    """Bounds fragments and pings, and joins fragments as they come: a list of tiny ones takes 50 times their bytes."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.conn = _Handshake(max_size=self.config.ws_max_size, logger=self.logger)
        self._message = bytearray()
        self._fragments = 0
        self._pings = 0

    def handle_events(self) -> None:
        super().handle_events()
        if not self.handshake_initiated:  # the head is there, and it was refused without a word to uvicorn
            self.transport.write(b"".join(self.conn.data_to_send()) or Refusal(BadRequest(_BAD_HANDSHAKE)).raw())
            self.handshake_complete = self.close_sent = True
            self.transport.close()

    def handle_text(self, event: Frame) -> None:
        self._begin(event, "text")

    def handle_bytes(self, event: Frame) -> None:
        self._begin(event, "bytes")

    def handle_cont(self, event: Frame) -> None:
        self._fragments += 1
        if self._fragments > MAX_FRAGMENTS:
            self._cut("too many fragments")
            return
        self._message += event.data
        if event.fin:
            self.frames, self._message = [bytes(self._message)], bytearray()
            self.send_receive_event_to_app()

    def handle_ping(self) -> None:
        self._pings += 1
        if self._pings > MAX_PINGS or self.transport.get_write_buffer_size() > _WRITE_BUFFER_BYTES:
            self._cut("too many pings")
            return
        super().handle_ping()

    async def send(self, message: Any) -> None:
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and not message.get("more_body", False):
            self.handshake_complete = True  # refused in order: nothing is left to be logged as an error

    def _begin(self, event: Frame, kind: str) -> None:
        self.curr_msg_data_type = "text" if kind == "text" else "bytes"
        self._fragments = self._pings = 0
        if event.fin:
            self.frames = [bytes(event.data)]
            self.send_receive_event_to_app()
        else:
            self._message = bytearray(event.data)

    def _cut(self, reason: str) -> None:
        """Close without waiting for a client that is evidently hostile."""
        if self.transport.is_closing():
            return
        self._message = bytearray()
        self.queue.put_nowait({"type": "websocket.disconnect", "code": 1008, "reason": reason})
        self.conn.send_close(1008, reason)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        asyncio.get_running_loop().call_later(1.0, self.transport.abort)
        self.transport.close()
