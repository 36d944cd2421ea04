"""One request and its answer, as an ASGI application sees them."""

from __future__ import annotations

import asyncio
import http
import logging
from typing import Any

from starlette.types import ASGIApp, Message

from app.errors import InternalError
from app.server.body import body_of
from app.server.connection import WRITE_BUFFER_BYTES, Connection
from app.server.head import Head
from app.server.refusal import Refusal
from app.server.traffic import Mark

logger = logging.getLogger("ballast.server")

GRACE_SECONDS = 0.5
"""How long a request may go on when its client has gone: time to keep what came of an upload."""

_STATUS_LINES = {
    status.value: b"HTTP/1.1 %d %s\r\n" % (status.value, status.phrase.encode()) for status in http.HTTPStatus
}
_CONTROLS = frozenset((*range(32), 127))
_NAME_BYTES = bytes({*range(256)} - _CONTROLS - {*b'()<>@,;:[]={} \\"'})
_VALUE_BYTES = bytes({*range(256)} - _CONTROLS | {9})


class HttpExchange:
    """Runs the application for one request."""

    def __init__(self, connection: Connection, head: Head, app: ASGIApp, scope: dict[str, Any]) -> None:
        self._connection = connection
        self._head = head
        self._app = app
        self._scope = scope
        self._body = body_of(connection, head)
        self._keeps_alive = head.keeps_alive and not connection.front.is_leaving
        self._expects_continue = head.expects_continue
        self._gone = asyncio.Event()
        self._body_was_told = False
        self._answer = _Answer(head)
        self._unsent_head = b""
        self._mark = Mark(connection)
        self.task = connection.front.loop.create_task(self._run(), name="request")

    def lost(self) -> None:
        self._gone.set()
        if not self.task.done():
            self._connection.front.loop.call_later(GRACE_SECONDS, self.task.cancel)

    @property
    def is_answering(self) -> bool:
        return self._answer.has_begun

    def shutdown(self) -> None:
        self._keeps_alive = False

    def cancel(self) -> None:
        self.task.cancel()

    async def receive(self) -> Message:
        connection = self._connection
        if self._expects_continue and not self._answer.has_begun:
            connection.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self._expects_continue = False
        if self._answer.is_complete or connection.is_lost:
            return {"type": "http.disconnect"}
        if self._body_was_told:
            await self._gone.wait()
            return {"type": "http.disconnect"}
        piece = await self._body.read()
        if piece is None:
            return {"type": "http.disconnect"}
        self._body_was_told = self._body.is_done
        return {"type": "http.request", "body": piece, "more_body": not self._body.is_done}

    async def send(self, message: Message) -> None:
        connection, answer = self._connection, self._answer
        await connection.drain()
        if connection.is_lost:
            return
        match message["type"]:
            case "http.response.start" if not answer.has_begun:
                self._unsent_head = answer.begin(message, connection.front.default_headers, self._keeps_alive)
                self._keeps_alive = self._keeps_alive and not answer.closes
                if not answer.is_counted:  # a body of no known length may come late
                    self._send_head()
            case "http.response.body" if answer.has_begun and not answer.is_complete:
                await self._send_body(answer.body(message))
            case kind:
                raise RuntimeError(f"Unexpected ASGI message {kind!r}.")

    def _send_head(self) -> None:
        if self._unsent_head:
            self._connection.write(self._unsent_head)
            self._unsent_head = b""

    async def _send_body(self, data: bytes) -> None:
        """A head that waited for its body goes out with it, in one call of the kernel."""
        connection = self._connection
        if self._unsent_head and data:
            connection.write_both(self._unsent_head, data)
            self._unsent_head = b""
        else:
            self._send_head()
            connection.write(data)
        if len(data) <= WRITE_BUFFER_BYTES:
            return
        connection.account.enter(len(data))
        try:
            await connection.drain()
        finally:
            connection.account.give(len(data))

    async def _run(self) -> None:
        answer = self._answer
        try:
            await self._app(self._scope, self.receive, self.send)
        except asyncio.CancelledError:
            self._keeps_alive = False  # the client has gone, or the service ends
            if not self._body.is_done and not self._connection.is_lost:
                self._connection.linger()  # so that what it was told is not lost with what it still sends
        except BaseException as error:
            logger.error("a request failed", exc_info=error)
            self._keeps_alive = False
        finally:
            self._body.close()
            self._send_head()
            if not answer.has_begun and not self._connection.is_lost:
                self._keeps_alive = False
                self._connection.write(Refusal(InternalError("The request was not answered.")).raw())
            self._connection.front.traffic.answered(self._scope, answer.status, self._mark)
            is_whole = answer.is_complete and self._body.is_done
            self._connection.finish(self._keeps_alive and is_whole)


def _check_fields(fields: list[tuple[bytes, bytes]]) -> None:
    """All names and all values are looked at at once, by what is left of them without the bytes that are allowed.

    Raises:
        RuntimeError: one has bytes that are not allowed.
    """
    names, values = (b"".join(column) for column in zip(*fields, strict=True)) if fields else (b"", b"")
    if names.translate(None, _NAME_BYTES) or values.translate(None, _VALUE_BYTES):
        raise RuntimeError("a field of the answer has bytes that are not allowed")


class _Answer:
    """The bytes of an answer, and how far it has come."""

    def __init__(self, head: Head) -> None:
        self._is_head = head.method == "HEAD"
        self._knows_chunks = head.http_version != "1.0"  # else the connection's end is the body's
        self._is_chunked = False
        self._missing_bytes = 0
        self.is_counted = False
        self.status = 0  # none yet
        self.has_begun = False
        self.is_complete = False
        self.closes = False

    def begin(self, message: Message, defaults: list[tuple[bytes, bytes]], keeps_alive: bool) -> bytes:
        self.has_begun = True
        self.status = status = message["status"]
        lines = [_STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status]
        length: int | None = None
        fields = [(name.lower(), value) for name, value in (*defaults, *message.get("headers", ()))]
        _check_fields(fields)
        for name, value in fields:
            if name == b"content-length":
                length = int(value)
            elif name == b"connection" and b"close" in value.lower():
                self.closes = True
            elif name == b"transfer-encoding":
                continue  # it is for the server to say
            lines.append(b"%b: %b\r\n" % (name, value))
        if not keeps_alive and not self.closes:
            lines.append(b"connection: close\r\n")
        if length is not None:
            self.is_counted, self._missing_bytes = True, length
        elif not self._is_head and status not in (204, 304) and self._knows_chunks:
            self._is_chunked = True
            lines.append(b"transfer-encoding: chunked\r\n")
        lines.append(b"\r\n")
        return b"".join(lines)

    def body(self, message: Message) -> bytes:
        data: bytes = message.get("body", b"")
        self.is_complete = not message.get("more_body", False)
        if self._is_head:
            return b""
        if self._is_chunked:
            framed = b"%x\r\n%b\r\n" % (len(data), data) if data else b""
            return framed + b"0\r\n\r\n" if self.is_complete else framed
        if not self.is_counted:
            return data
        self._missing_bytes -= len(data)
        if self._missing_bytes < 0 or (self.is_complete and self._missing_bytes):
            raise RuntimeError("the answer is not as long as its Content-Length")
        return data
