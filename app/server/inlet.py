"""What comes in on one connection: no more is read than somebody asked for, and one slice.

Bytes come 16 KiB at a time into a buffer that all connections share. What nobody asked for is kept, at most one slice
of it; then reading is paused, and TCP holds the client. Large bodies are read straight into the pieces that are handed
on.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from app.domain.units import KIB

if TYPE_CHECKING:
    from app.server.connection import Connection

SLICE_BYTES = 16 * KIB
"""What is read at a time, and kept of what nobody asked for."""


class Inlet:
    """The side of a connection that its exchanges read from. `unread` is what came and was not asked for yet."""

    __slots__ = ("_connection", "_direct", "_direct_bytes", "_is_paused", "_waiter", "_wanted", "unread")

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._direct: memoryview | None = None  # what is to be filled
        self._direct_bytes = 0
        self._wanted = 1  # how much of it, before its reader is woken
        self._waiter: asyncio.Future[None] | None = None
        self._is_paused = False
        self.unread = bytearray()

    # What the connection calls.

    def buffer(self) -> memoryview:
        """Return where the next bytes are to be put."""
        direct = self._direct
        return self._connection.front.buffer if direct is None else direct[self._direct_bytes :]

    def fills(self, nbytes: int) -> bool:
        """Count bytes that were read straight into somebody's view; False: they are in the shared buffer."""
        if self._direct is None:
            return False
        self._direct_bytes += nbytes
        if self._direct_bytes >= self._wanted:
            self.pause()
            self.wake()
        return True

    def keep(self, nbytes: int) -> None:
        """Keep bytes that are in the shared buffer."""
        self.unread += self._connection.front.buffer[:nbytes]

    def limit(self) -> None:
        """Stop reading if there is a slice already that nobody asked for."""
        if len(self.unread) >= SLICE_BYTES:
            self.pause()

    def take(self, nbytes: int) -> bytes:
        """Return so many of the bytes that are there already."""
        data = bytes(self.unread[:nbytes])
        del self.unread[:nbytes]
        return data

    def drop(self) -> None:
        """Forget what came."""
        self.unread = bytearray()

    def wake(self) -> None:
        """Something came, or the client has gone."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def pause(self) -> None:
        connection = self._connection
        if not self._is_paused and not connection.is_closing:
            self._is_paused = True
            connection.transport.pause_reading()
            connection.front.watch(connection)

    def resume(self) -> None:
        connection = self._connection
        if self._is_paused and not connection.is_closing:
            self._is_paused = False
            connection.transport.resume_reading()
            connection.front.unwatch(connection)

    # What an exchange calls.

    async def read(self) -> bytes:
        """Return what came, as soon as anything does: little more than a slice; b"": the client has gone."""
        if not self.unread:
            await self._wait()
        data, self.unread = bytes(self.unread), bytearray()
        self.resume()
        return data

    async def read_exactly(self, nbytes: int) -> bytes:
        """Return so many bytes, less than a slice; b"": the client has gone."""
        while len(self.unread) < nbytes:
            await self._wait()
            if self._connection.is_lost:
                return b""
        return self.take(nbytes)

    async def fill(self, view: memoryview, least: int) -> int:
        """Read straight into a view until `least` of its bytes are there; return how many are, 0: the client has gone.

        What was read before comes first.
        """
        came = min(len(self.unread), len(view))
        view[:came] = self.take(came)
        if came >= least:
            return came
        self._direct, self._direct_bytes, self._wanted = view, came, least
        try:
            await self._wait()
            return 0 if self._connection.is_lost else self._direct_bytes
        finally:
            self._direct = None

    def put_back(self, data: bytes) -> None:
        """Take back what was read and not used."""
        self.unread[:0] = data

    async def _wait(self) -> None:
        """Wait until something came, or the client has gone."""
        if self._connection.is_lost:
            return
        self._waiter = self._connection.front.loop.create_future()
        self.resume()
        try:
            await self._waiter
        finally:
            self._waiter = None
