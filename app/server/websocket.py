"""A WebSocket, as an ASGI application sees it: read when the application asks for a message, and not before."""

from __future__ import annotations

import asyncio
import logging
from http import HTTPStatus
from typing import Any

from starlette.types import ASGIApp, Message
from websockets.datastructures import Headers
from websockets.frames import Close, Frame, Opcode
from websockets.http11 import Request, Response
from websockets.server import ServerProtocol

from app.errors import BadRequest, Forbidden, InternalError
from app.server.connection import WRITE_BUFFER_BYTES, Connection
from app.server.frames import FrameError, Gone, read_frame_head, read_payload, skip_payload
from app.server.head import Head
from app.server.messages import Messages
from app.server.refusal import Refusal

logger = logging.getLogger("ballast.server")

GRACE_SECONDS = 0.5
PING_SECONDS = 20.0
"""How often a silent client is asked whether it is there, and how long it may stay silent then (uvicorn's default)."""

_CLOSE_SECONDS = 2.0
"""How long the client's answer to a close frame is waited for."""

_BAD_HANDSHAKE = "The opening handshake of the WebSocket is not valid."


class WebSocketExchange:
    """Runs the application for one WebSocket."""

    def __init__(self, connection: Connection, head: Head, app: ASGIApp, scope: dict[str, Any]) -> None:
        self._connection = connection
        self._app = app
        self._scope = scope
        self._messages = Messages(connection, connection.front.bounds.message_bytes)
        self._response: Response | None = None  # until the application accepts: an open stream keeps nothing of it
        self._is_announced = False
        self._is_open = False
        self._is_refused = False
        self._was_asked = False
        self._closed: tuple[int, str] | None = None  # by us, or by the client
        self._awaits_close = False  # of the client, in answer to ours
        self._refusal: list[bytes] = []
        self._asked: asyncio.TimerHandle | None = None
        self.task = connection.front.loop.create_task(self._run(head), name="websocket")

    def lost(self) -> None:
        if not self.task.done():
            self._connection.front.loop.call_later(GRACE_SECONDS, self.task.cancel)

    def shutdown(self) -> None:
        if self._is_open and self._closed is None:
            self._send_close(1012, "")
        self._connection.close()

    async def receive(self) -> Message:
        if not self._is_announced:
            self._is_announced = True
            return {"type": "websocket.connect"}
        if self._closed is None and not self._connection.is_lost:
            await self._connection.drain()  # nothing is read while the client does not take its answers
            try:
                return await self._messages.next()
            except Gone:
                pass
            except FrameError as error:
                self._send_close(error.code, error.reason)
        code, reason = self._closed or (1006, "")
        return {"type": "websocket.disconnect", "code": code, "reason": reason}

    async def send(self, message: Message) -> None:
        await self._connection.drain()
        if self._connection.is_lost:
            if self._is_open:
                raise OSError("the client has gone")  # what Starlette expects, but of `accept`
            return
        match message["type"]:
            case "websocket.accept" if not self._is_open:
                self._accept(message)
            case "websocket.send" if self._is_open and self._closed is None:
                await self._send_data(message)
            case "websocket.close" if self._is_open:
                self._awaits_close = self._closed is None
                self._send_close(message.get("code", 1000), message.get("reason") or "")
            case "websocket.close":
                self._refuse(Refusal(Forbidden("The WebSocket was refused.")).raw())
            case "websocket.http.response.start":
                self._refusal = [_head_of(message)]
            case "websocket.http.response.body" if self._refusal:
                self._refusal.append(message.get("body", b""))
                if not message.get("more_body", False):
                    self._refuse(b"".join(self._refusal))
            case _:
                pass  # the stream is closed, which the application has not heard of yet

    def _accept(self, message: Message) -> None:
        fields = [*self._connection.front.default_headers, *message.get("headers", ())]
        response, self._response = self._response, None
        assert response is not None
        del response.headers["Date"]
        response.headers.update((name.decode("latin-1"), value.decode("latin-1")) for name, value in fields)
        self._is_open = True
        self._connection.write(response.serialize())
        self._ask_later()

    async def _send_data(self, message: Message) -> None:
        text = message.get("text")
        opcode, data = (Opcode.TEXT, text.encode()) if text is not None else (Opcode.BINARY, message["bytes"])
        self._connection.write(Frame(opcode, data).serialize(mask=False))
        if len(data) > WRITE_BUFFER_BYTES:
            await self._connection.drain()

    def _send_close(self, code: int, reason: str) -> None:
        if self._closed is None and self._is_open:
            told = 1000 if code in (1005, 1006) else code
            payload = b"" if code == 1005 else Close(told, reason[:100]).serialize()
            self._connection.write(Frame(Opcode.CLOSE, payload).serialize(mask=False))
        self._closed = self._closed or (code, reason)

    def _refuse(self, raw: bytes) -> None:
        if not self._is_refused:
            self._is_refused = True
            self._closed = (1006, "")
            self._connection.write(raw)

    async def _run(self, head: Head) -> None:
        response = self._shake_hands(head)
        if response.status_code != HTTPStatus.SWITCHING_PROTOCOLS:
            self._connection.refuse(Refusal(BadRequest(_BAD_HANDSHAKE), response.status_code))
            return
        self._response = response
        del response, head
        try:
            await self._app(self._scope, self.receive, self.send)
        except (asyncio.CancelledError, OSError):
            pass  # the client has gone, or the service ends
        except BaseException as error:
            logger.error("a WebSocket failed", exc_info=error)
            self._send_close(1011, "")
        finally:
            await self._end()

    def _shake_hands(self, head: Head) -> Response:
        fields = Headers((name.decode("latin-1"), value.decode("latin-1")) for name, value in head.headers)
        target = head.raw_path + b"?" + head.query_string if head.query_string else head.raw_path
        response = ServerProtocol(max_size=None).accept(Request(target.decode("latin-1"), fields))
        offered = fields.get_all("Sec-WebSocket-Protocol")
        self._scope["subprotocols"] = [name.strip() for value in offered for name in value.split(",")]
        return response

    async def _end(self) -> None:
        """Leave nothing behind; the client has a moment to answer a close frame, and to read a refusal."""
        self._messages.end_loan()
        if self._asked is not None:
            self._asked.cancel()
        if not self._is_open and not self._is_refused and not self._connection.is_lost:
            self._refuse(Refusal(InternalError("The WebSocket could not be opened.")).raw())
        if self._is_open and self._closed is None:
            self._awaits_close = True
            self._send_close(1000, "")
        if self._awaits_close:
            await self._await_close()
        elif not self._connection.is_closing:
            self._connection.linger()
        self._connection.finish(keeps_alive=False)

    async def _await_close(self) -> None:
        try:
            async with asyncio.timeout(_CLOSE_SECONDS):
                while True:
                    head = await read_frame_head(self._connection)
                    if head.opcode is Opcode.CLOSE:
                        await read_payload(self._connection, head)
                        break
                    await skip_payload(self._connection, head)
        except (TimeoutError, FrameError, Gone, asyncio.CancelledError):
            pass
        self._connection.close()

    def _ask_later(self) -> None:
        self._messages.heard = False
        self._asked = self._connection.front.loop.call_later(PING_SECONDS, self._ask)

    def _ask(self) -> None:
        """Ask a silent client whether it is there; one that did not answer the last time is gone."""
        if self._closed is not None or self._connection.is_closing:
            return
        if self._was_asked and not self._messages.heard and self._messages.is_reading:
            self._send_close(1011, "no answer to a ping")
            self._connection.cut()
            return
        self._was_asked = not self._messages.heard
        if self._was_asked:
            self._connection.write(Frame(Opcode.PING, b"").serialize(mask=False))
        self._ask_later()


def _head_of(message: Message) -> bytes:
    """Return the head of a refusal."""
    status = HTTPStatus(message["status"])
    lines = [b"HTTP/1.1 %d %s\r\n" % (status.value, status.phrase.encode())]
    lines += [b"%b: %b\r\n" % (name, value) for name, value in message.get("headers", ()) if name != b"connection"]
    return b"".join([*lines, b"connection: close\r\n\r\n"])
