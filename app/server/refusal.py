"""An answer that the server gives by itself, before or instead of the application: a problem (RFC 9457)."""

from __future__ import annotations

import json
import uuid
from http import HTTPStatus

from starlette.types import Receive, Scope, Send

from app.errors import PROBLEM_TYPE, BallastError


class Refusal:
    """`error` as an ASGI application, or as bytes for a connection that has none; the connection is to be closed after.

    Every answer has an X-Request-Id: this one is made here. `status` is the error's unless another is given.
    """

    def __init__(self, error: BallastError, status: int | None = None) -> None:
        request_id = uuid.uuid4().hex
        self._status = error.status if status is None else status
        document = {**error.problem(request_id), "status": self._status}
        self._body = json.dumps(document, ensure_ascii=False).encode()
        self._headers = [
            (b"content-type", PROBLEM_TYPE.encode()),
            (b"content-length", str(len(self._body)).encode()),
            (b"x-request-id", request_id.encode()),
            (b"connection", b"close"),
        ]
        if error.retry_after_seconds is not None:
            self._headers.append((b"retry-after", str(error.retry_after_seconds).encode()))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del receive
        kind = "websocket.http.response" if scope["type"] == "websocket" else "http.response"
        await send({"type": f"{kind}.start", "status": self._status, "headers": self._headers})
        await send({"type": f"{kind}.body", "body": self._body})

    def raw(self) -> bytes:
        """Return the whole answer as it goes over the wire."""
        line = f"HTTP/1.1 {self._status} {HTTPStatus(self._status).phrase}\r\n".encode()
        head = b"".join(b"%s: %s\r\n" % header for header in self._headers)
        return line + head + b"\r\n" + self._body
