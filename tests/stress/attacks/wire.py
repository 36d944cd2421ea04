"""Bare connections of an attacker: nothing is copied, little is parsed, and each has its source address."""

from __future__ import annotations

import asyncio
import re
import select
import socket
import struct
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from app.domain.units import KIB

GONE = (ConnectionError, TimeoutError, OSError)
"""What is raised where the service ends a connection, takes no more of it, or lets it wait for too long."""

_IP_BIND_ADDRESS_NO_PORT = 24
"""linux/in.h: the port is chosen by `connect`, so that one address has 28,000 of them for each destination."""

ZEROS = memoryview(bytes(5_000_000))
"""What large bodies are made of: one block for all connections, however many."""

_READ_BYTES = 64 * KIB
_LOOK_SECONDS = 0.25
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] (\d{3}) ")


@dataclass(slots=True)
class Wire:
    """One connection."""

    socket: socket.socket
    tally: Counter[str]
    _unread: bytearray = field(default_factory=bytearray)

    async def send(self, data: bytes | memoryview) -> None:
        """Send all of it; as long as the service does not read, this waits."""
        loop = asyncio.get_running_loop()
        view = data if isinstance(data, memoryview) else memoryview(data)
        for start in range(0, len(view), 256 * KIB):  # so that what was sent is counted where it is cut short
            piece = view[start : start + 256 * KIB]
            await loop.sock_sendall(self.socket, piece)
            self.tally["bytes sent"] += len(piece)

    async def receive(self, size: int = _READ_BYTES) -> bytes:
        """Return some bytes.

        Raises:
            ConnectionError: there are no more.
        """
        data = await asyncio.get_running_loop().sock_recv(self.socket, size)
        if not data:
            raise ConnectionError("closed by the service")
        return data

    async def swallow(self) -> None:
        """Read and forget, until the service closes the connection; the answers are counted by their status."""
        rest = b""
        while True:
            data = rest + await self.receive()
            for status in _STATUS_LINE.findall(data):
                self.tally[status.decode()] += 1
            rest = data[-12:] if not _STATUS_LINE.match(data[-13:]) else b""

    async def pour(self, block: bytes) -> None:
        """Send the same bytes again and again, and read nothing."""
        while True:
            await self.send(block)

    async def pour_and_swallow(self, block: bytes) -> None:
        """Send the same bytes again and again, and read what is answered."""
        reader = asyncio.create_task(self.swallow())
        try:
            await self.pour(block)
        finally:
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)

    async def answer(self) -> tuple[int, bytes]:
        """Read one answer and return its status and body; it is counted.

        Raises:
            ConnectionError: it is not whole.
        """
        while (end := self._unread.find(b"\r\n\r\n")) < 0:
            self._unread += await self.receive()
        head = bytes(self._unread[:end]).lower()
        length = re.search(rb"\r\ncontent-length: *(\d+)", head)
        size = end + 4 + (int(length[1]) if length is not None else 0)
        while len(self._unread) < size:
            self._unread += await self.receive()
        body = bytes(self._unread[end + 4 : size])
        del self._unread[:size]
        status = int(head[9:12])
        self.tally[str(status)] += 1
        return status, body

    async def hold(self) -> None:
        """Keep the connection and read nothing, until the service closes it.

        Raises:
            ConnectionError: it did.
        """
        ended = select.poll()
        ended.register(self.socket, select.POLLRDHUP)
        while not ended.poll(0):  # noqa: ASYNC110 - asyncio has no event for it
            await asyncio.sleep(_LOOK_SECONDS)
        raise ConnectionError("closed by the service")

    def half_close(self) -> None:
        """Say that nothing more will come."""
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Close with RST instead of FIN."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


@dataclass(slots=True)
class Target:
    """The service as a client at the address 127.0.0.x sees it; `prepared` is what its attack keeps for later."""

    port: int
    address: str = "127.0.0.2"
    tally: Counter[str] = field(default_factory=Counter)
    prepared: str = ""

    @asynccontextmanager
    async def connect(self, receive_buffer: int | None = None) -> AsyncIterator[Wire]:
        """Lend a connection. With a small `receive_buffer` (bytes) the kernel takes little of what is not read."""
        link = socket.socket()
        link.setblocking(False)
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if receive_buffer is not None:
            link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        link.setsockopt(socket.IPPROTO_IP, _IP_BIND_ADDRESS_NO_PORT, 1)
        try:
            link.bind((self.address, 0))
            await asyncio.get_running_loop().sock_connect(link, ("127.0.0.1", self.port))
            self.tally["connections"] += 1
            yield Wire(link, self.tally)
        finally:
            link.close()

    def head(self, method: str, path: str, *lines: str) -> bytes:
        """Return the head of a request with these further lines."""
        return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: localhost", *lines, "", ""]).encode("latin-1")


def handshake(target: Target, *lines: str, path: str = "/v1/vision/hands/stream") -> bytes:
    """Return the head that opens a WebSocket."""
    return target.head(
        "GET",
        path,
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        *lines,
    )


@asynccontextmanager
async def stream(target: Target, *lines: str, receive_buffer: int | None = None) -> AsyncIterator[Wire]:
    """Lend a WebSocket that was greeted.

    Raises:
        ConnectionError: the service did not open it.
    """
    async with target.connect(receive_buffer) as wire:
        await wire.send(handshake(target, *lines))
        data = b""
        while b'"ready"' not in data:
            data += await wire.receive()
            if not data.startswith(b"HTTP/1.1 101"[: len(data)]):
                target.tally[data[9:12].decode("latin-1")] += 1
                raise ConnectionError("no WebSocket")
            if b"\r\n\r\n\x88" in data:
                target.tally["streams refused"] += 1
                raise ConnectionError("closed as soon as it was open")
        target.tally["streams"] += 1
        yield wire


def frame(opcode: int, data: bytes, *, last: bool = True, reserved: int = 0) -> bytes:
    """Return a masked frame (RFC 6455, section 5.2). The mask is zero: what is sent is what is read."""
    return frame_head(opcode, len(data), last=last, reserved=reserved) + data


def frame_head(opcode: int, length: int, *, last: bool = True, reserved: int = 0) -> bytes:
    """Return the head of a frame that says it has `length` bytes."""
    first = (0x80 if last else 0) | reserved | opcode
    if length < 126:
        return struct.pack("!BB4x", first, 0x80 | length)
    if length < 1 << 16:
        return struct.pack("!BBH4x", first, 0x80 | 126, length)
    return struct.pack("!BBQ4x", first, 0x80 | 127, length)
