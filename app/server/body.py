"""The body of one request, pulled from its connection piece by piece."""

from __future__ import annotations

from typing import Protocol

from app.domain.units import KIB
from app.server.chunked import BadChunk, ChunkedDecoder
from app.server.connection import Connection
from app.server.head import Head

PIECE_BYTES = 1024 * KIB
"""The largest piece that is read at a time."""

_SMALLEST_PIECE_BYTES = 64 * KIB
_SHARED_BYTES = 16 * KIB
"""What is read at a time where larger pieces are refused: a connection is charged for it as it comes."""

_HELD_PIECES = 2
"""One that is on its way to the disk, and one that is being read."""


class Body(Protocol):
    """`is_done`: nothing of it is left to be read."""

    is_done: bool

    async def read(self) -> bytes | bytearray | None:
        """Return the next bytes, which may be none; None: the client has gone, or it is not what it says to be."""

    def close(self) -> None:
        """Give back what was charged for it."""


class NoBody:
    is_done = True

    async def read(self) -> bytes:
        return b""

    def close(self) -> None:
        pass


class LengthBody:
    """A body of a length that was announced: it need not be parsed, so it is read straight into pieces."""

    most_bytes = PIECE_BYTES

    def __init__(self, connection: Connection, size_bytes: int) -> None:
        self._connection = connection
        self._missing_bytes = size_bytes
        self._piece_bytes = _SHARED_BYTES
        self._charged_bytes = 0
        self.is_done = False

    async def read(self) -> bytearray | None:
        size_bytes = min(self._piece_bytes, self._missing_bytes)
        piece = bytearray(size_bytes)
        came = await self._connection.inlet.fill(memoryview(piece), least=1)
        if not came:
            return None
        if came < size_bytes:
            piece = piece[:came]
        self._missing_bytes -= len(piece)
        self.is_done = self._missing_bytes == 0
        if not self.is_done:
            self._adapt(len(piece), size_bytes)
        return piece

    def close(self) -> None:
        self._connection.account.give(self._charged_bytes)
        self._charged_bytes = 0

    def _adapt(self, came: int, asked: int) -> None:
        """Let the next piece be as large as what comes at a time, if it can be charged: a large one takes time."""
        if came >= asked and asked < self.most_bytes:
            self._grow(min(self.most_bytes, max(_SMALLEST_PIECE_BYTES, 2 * self._piece_bytes)))
        elif came < asked // 4 and self._piece_bytes > _SMALLEST_PIECE_BYTES:
            self._shrink(self._piece_bytes // 2)

    def _grow(self, piece_bytes: int) -> None:
        wanted = _HELD_PIECES * piece_bytes - self._charged_bytes
        is_useful = self._piece_bytes < min(piece_bytes, self._missing_bytes)
        if is_useful and self._connection.account.take(wanted):
            self._charged_bytes += wanted
            self._piece_bytes = piece_bytes

    def _shrink(self, piece_bytes: int) -> None:
        surplus = self._charged_bytes - _HELD_PIECES * piece_bytes
        self._piece_bytes = piece_bytes
        self._charged_bytes -= surplus
        self._connection.account.give(surplus)


class JsonBody(LengthBody):
    """JSON is parsed here, on the loop: so it comes in slices, and each of them has its turn."""

    most_bytes = _SHARED_BYTES

    async def read(self) -> bytearray | None:
        await self._connection.take_turn()
        return await super().read()


class ChunkedBody:
    """A body in the chunked coding."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._decoder = ChunkedDecoder()
        self.is_done = False

    async def read(self) -> bytes | None:
        data = await self._connection.inlet.read()
        if not data:
            return None
        await self._connection.take_turn()
        try:
            body, rest = self._decoder.feed(data)
        except BadChunk:
            self._connection.cut()
            return None
        self.is_done = self._decoder.is_done
        if rest:
            self._connection.inlet.put_back(rest)
        return body

    def close(self) -> None:
        pass


def body_of(connection: Connection, head: Head) -> Body:
    """Return the body that the head announces."""
    if head.is_chunked:
        return ChunkedBody(connection)
    if not head.content_length:
        return NoBody()
    return (JsonBody if head.is_json else LengthBody)(connection, head.content_length)
