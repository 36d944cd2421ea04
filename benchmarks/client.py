"""A keep-alive HTTP/1.1 client that costs next to nothing: one socket, requests made in advance, one call at a time."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """Talks to a server that answers with a Content-Length."""

    def __init__(self, host: str, port: int, timeout_seconds: float = 60.0) -> None:
        self._host = f"{host}:{port}"
        self._socket = socket.create_connection((host, port), timeout_seconds)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._socket.close()

    def prepare(self, method: str, path: str, body: bytes = b"", content_type: str = "image/jpeg") -> bytes:
        """Return the bytes of a request, for `exchange`."""
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self._host}"]
        if body:
            lines += [f"Content-Type: {content_type}", f"Content-Length: {len(body)}"]
        return ("\r\n".join(lines) + "\r\n\r\n").encode() + body

    def exchange(self, request: bytes) -> Answer:
        """Send a request and wait for the whole answer.

        Raises:
            ConnectionError: the server closed the connection before that.
        """
        self._socket.sendall(request)
        data = self._receive()
        while (end := data.find(b"\r\n\r\n")) < 0:
            data += self._receive()
        head = data[:end].lower()
        length = int(head.partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0])
        while len(data) < end + 4 + length:
            data += self._receive()
        return Answer(int(head[9:12]), data[end + 4 :])

    def get(self, path: str) -> Answer:
        return self.exchange(self.prepare("GET", path))

    def post(self, path: str, body: bytes, content_type: str = "image/jpeg") -> Answer:
        return self.exchange(self.prepare("POST", path, body, content_type))

    def _receive(self) -> bytes:
        chunk = self._socket.recv(65536)
        if not chunk:
            raise ConnectionError("the server closed the connection")
        return chunk
