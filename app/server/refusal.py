"""An answer that the server gives by itself, before or instead of the application: a problem (RFC 9457)."""

from __future__ import annotations

import json
import uuid
from http import HTTPStatus

from starlette.types import Receive, Scope, Send

from app.errors import PROBLEM_TYPE, BallastError


class Refusal:
    """`error` as an ASGI application, or as bytes for a connection that has none; the connection is closed afterwards.

    Every answer has an X-Request-Id: this one is made here. `status` is the error's unless another is given.
    """

    def __init__(self, error: BallastError, status: int | None = None) -> None:
        request_id = uuid.uuid4().hex
        self.status = error.status if status is None else status
        document = {**error.problem(request_id), "status": self.status}
        self.body = json.dumps(document, ensure_ascii=False).encode()
        self.headers = {
            "content-type": PROBLEM_TYPE,
            "content-length": str(len(self.body)),
            "x-request-id": request_id,
            "connection": "close",
        }
        if error.retry_after_seconds is not None:
            self.headers["retry-after"] = str(error.retry_after_seconds)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del receive
        kind = "websocket.http.response" if scope["type"] == "websocket" else "http.response"
        headers = [(name.encode(), value.encode()) for name, value in self.headers.items()]
        await send({"type": f"{kind}.start", "status": self.status, "headers": headers})
        await send({"type": f"{kind}.body", "body": self.body})

    def raw(self) -> bytes:
        """Return the whole answer as it goes over the wire."""
        lines = [f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        return "\r\n".join([*lines, "", ""]).encode() + self.body
