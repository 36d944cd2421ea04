"""Answering before the body was read, so that the client sees the answer.

Closing a connection with unread bytes resets it, and the answer (413, 415, 507) may be lost with it; reading on for
ever would let a refused client send gigabytes. So what still comes is discarded for a bounded time, then the connection
is closed (nginx calls this `lingering_close`).
"""

from __future__ import annotations

import asyncio

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class LingeringClose:
    """Reads on a little after an answer to a request whose body was not read to its end, then closes."""

    def __init__(self, app: ASGIApp, total_seconds: float = 10.0, idle_seconds: float = 2.0) -> None:
        self._app = app
        self._total_seconds = total_seconds
        self._idle_seconds = idle_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            exchange = _Exchange(scope, receive, send)
            await self._app(scope, exchange.receive, exchange.send)
            if exchange.unfinished:
                await exchange.drain(self._total_seconds, self._idle_seconds)
        else:
            await self._app(scope, receive, send)


class _Exchange:
    """One request and its answer; holds back the end of the answer while the body is unread."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._body_read = not _has_body(scope)
        self.unfinished = False

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] != "http.request" or not message.get("more_body", False):
            self._body_read = True
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start" and not self._body_read:
            MutableHeaders(scope=message)["Connection"] = "close"
        last = message["type"] == "http.response.body" and not message.get("more_body", False)
        if last and not self._body_read:
            self.unfinished = True
            await self._send({**message, "more_body": True})
        else:
            await self._send(message)

    async def drain(self, total_seconds: float, idle_seconds: float) -> None:
        """Discard what still comes, then end the answer, also where the service ends meanwhile."""
        try:
            async with asyncio.timeout(total_seconds):
                while not self._body_read:
                    async with asyncio.timeout(idle_seconds):
                        await self.receive()
        except TimeoutError:
            pass
        finally:
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})


def _has_body(scope: Scope) -> bool:
    """Whether the request says that it has a body (RFC 9112, section 6.3)."""
    headers = dict(scope["headers"])
    return headers.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in headers
