"""HTTP/1.1 as the load generators need it: one kept connection, one request at a time, next to no CPU."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

from app.domain.units import KIB

_HOST = "127.0.0.1"
_PIECE_BYTES = 256 * KIB
_STALE_SECONDS = 2.0  # a server closes idle connections (uvicorn: after 5 s); one as old as this is not used again

LOST = (ConnectionError, asyncio.IncompleteReadError, TimeoutError)
"""What is raised where a connection ends, or stays silent, before the answer is whole."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class HttpClient:
    """Talks to a service on this machine. Not for use by two tasks at a time."""

    def __init__(self, port: int, timeout_seconds: float = 60.0) -> None:
        self._port = port
        self._timeout_seconds = timeout_seconds
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._used_at = 0.0

    async def get(self, path: str) -> Answer:
        return await self.exchange(self.head("GET", path))

    async def post(self, path: str, body: bytes, content_type: str = "application/octet-stream") -> Answer:
        return await self.exchange(self.head("POST", path, len(body), content_type), body)

    def head(self, method: str, path: str, length: int | None = None, content_type: str | None = None) -> bytes:
        """Return the head of a request."""
        lines = [f"{method} {path} HTTP/1.1", f"Host: {_HOST}:{self._port}"]
        if length is not None:
            lines.append(f"Content-Length: {length}")
        if content_type is not None:
            lines.append(f"Content-Type: {content_type}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    async def exchange(self, head: bytes, *body: bytes) -> Answer:
        """Send a request and return the whole answer.

        Raises:
            ConnectionError, asyncio.IncompleteReadError, TimeoutError: there was none; the connection is given up.
        """
        try:
            async with asyncio.timeout(self._timeout_seconds):
                writer = await self.open()
                writer.write(head)
                for piece in body:
                    writer.write(piece)
                await writer.drain()
                return await self.answer()
        except BaseException:
            self.close()
            raise

    async def open(self) -> asyncio.StreamWriter:
        """Return the connection to write to: the kept one, or a new one if that has been idle for too long."""
        if self._streams is not None and time.monotonic() - self._used_at > _STALE_SECONDS:
            self.close()
        if self._streams is None:
            self._streams = await asyncio.open_connection(_HOST, self._port)
        return self._streams[1]

    async def answer(self) -> Answer:
        """Read one answer to its end."""
        status, headers = await self._read_head()
        assert self._streams is not None
        reader = self._streams[0]
        if headers.get("transfer-encoding", "").lower() == "chunked":
            body = b"".join([piece async for piece in _chunks(reader)])
        else:
            body = await reader.readexactly(int(headers.get("content-length", 0)))
        self._used_at = time.monotonic()
        if headers.get("connection", "").lower() == "close":
            self.close()
        return Answer(status, headers, body)

    async def body(self) -> AsyncIterator[bytes]:
        """Yield the body of one answer that has a Content-Length piece by piece; it is not kept."""
        _, headers = await self._read_head()
        assert self._streams is not None
        left = int(headers["content-length"])
        while left > 0:
            piece = await self._streams[0].read(min(left, _PIECE_BYTES))
            if not piece:
                raise ConnectionError("the service closed the connection")
            left -= len(piece)
            yield piece

    async def events(self, path: str) -> AsyncIterator[Any]:
        """Yield the data of server-sent events until the service ends them."""
        try:
            writer = await self.open()
            writer.write(self.head("GET", path))
            await self._read_head()
            assert self._streams is not None
            rest = b""
            async for piece in _chunks(self._streams[0]):
                *lines, rest = (rest + piece).split(b"\n")
                for line in lines:
                    if line.startswith(b"data: "):
                        yield json.loads(line[6:])
        finally:
            self.close()

    def close(self) -> None:
        """Close the connection; the next request opens a new one."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

    async def _read_head(self) -> tuple[int, dict[str, str]]:
        assert self._streams is not None
        first, *lines = (await self._streams[0].readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        fields = (line.partition(":") for line in lines if line)
        return int(first.split(" ")[1]), {name.strip().lower(): value.strip() for name, _, value in fields}


async def _chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """Yield the chunks of RFC 9112, section 7.1."""
    while size := int((await reader.readuntil(b"\r\n")).partition(b";")[0], 16):
        yield await reader.readexactly(size)
        await reader.readexactly(2)
    while await reader.readuntil(b"\r\n") != b"\r\n":  # trailers
        pass


def pause_seconds(answer: Answer) -> float:
    """Return for how long an answer says to wait."""
    text = answer.headers.get("retry-after", "")
    return float(text) if text.isdigit() else 1.0
