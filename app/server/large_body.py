"""A large body, read from the socket straight into the pieces that go on to the disk.

uvicorn copies each byte twice, out of the loop's buffer and out of the parser. But where the head announced a length,
what follows need not be parsed: the connection is lent to a `BodyReader`, which reads into buffers that are handed on
as they are, and gives it back after the last byte.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Protocol

from app.domain.units import KIB, MIB

LARGE_BYTES = MIB
"""Where more than this is still to come, the parser is bypassed."""

PIECE_BYTES = 512 * KIB
"""The largest piece. While one waits for the application nothing is read."""

_SMALLEST_PIECE_BYTES = 64 * KIB


class Cycle(Protocol):
    """What is used of uvicorn's `RequestResponseCycle`: one request and its answer."""

    receive: Callable[[], Awaitable[Any]]
    message_event: asyncio.Event
    response_complete: bool


class Connection(Protocol):
    """The connection whose body it is. It is told of everything as before, except the bytes of the body."""

    transport: asyncio.Transport
    flow: Any

    def body_came(self) -> None: ...
    def body_ended(self) -> None: ...
    def eof_received(self) -> None: ...
    def connection_lost(self, exc: Exception | None) -> None: ...
    def pause_writing(self) -> None: ...
    def resume_writing(self) -> None: ...


class BodyReader(asyncio.BufferedProtocol):
    """Reads the rest of one body, not a byte more."""

    def __init__(self, connection: Connection, cycle: Cycle, size_bytes: int) -> None:
        self._connection = connection
        self._cycle = cycle
        self._missing_bytes = size_bytes
        self._piece_bytes = _SMALLEST_PIECE_BYTES
        self._buffer = bytearray()
        self._pieces = deque[bytes | bytearray]()
        self._parsed = cycle.receive
        cycle.receive = self._receive  # the application has not been called yet
        connection.transport.set_protocol(self)

    def get_buffer(self, sizehint: int) -> bytearray:
        del sizehint
        self._buffer = bytearray(min(self._piece_bytes, self._missing_bytes))
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        self._missing_bytes -= nbytes
        self._connection.body_came()
        buffer, self._buffer = self._buffer, bytearray()
        if not self._cycle.response_complete:
            self._pieces.append(buffer if nbytes == len(buffer) else bytes(memoryview(buffer)[:nbytes]))
            self._connection.flow.pause_reading()
            self._cycle.message_event.set()
        self._adapt(nbytes)
        if self._missing_bytes == 0:
            self._connection.transport.set_protocol(self._connection)  # type: ignore[arg-type] # uvicorn's, a Protocol
            self._connection.body_ended()

    def eof_received(self) -> None:
        self._connection.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._connection.connection_lost(exc)

    def pause_writing(self) -> None:
        self._connection.pause_writing()

    def resume_writing(self) -> None:
        self._connection.resume_writing()

    def _adapt(self, nbytes: int) -> None:
        """Let the next buffer be as large as what comes at a time: a large one takes time to allocate."""
        if nbytes >= self._piece_bytes:
            self._piece_bytes = min(PIECE_BYTES, 2 * self._piece_bytes)
        elif nbytes < self._piece_bytes // 4:
            self._piece_bytes = max(_SMALLEST_PIECE_BYTES, self._piece_bytes // 2)

    async def _receive(self) -> Any:
        """Be the application's `receive`: what came with the head goes first, then piece by piece."""
        message = await self._parsed()
        if self._pieces and message["type"] == "http.request":
            if not message["body"]:
                message["body"] = self._pieces.popleft()
            if self._pieces:
                message["more_body"] = True
                self._connection.flow.pause_reading()  # uvicorn has just resumed it
                self._cycle.message_event.set()
        return message


def announced_bytes(headers: Iterable[tuple[bytes, bytes]]) -> int:
    """Return the Content-Length, 0 where there is none. The parser refuses one that is not a number, or is repeated."""
    return next((int(value) for name, value in headers if name == b"content-length"), 0)
