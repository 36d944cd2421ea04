"""Connections offered in batches, from many addresses: those that are taken stay open, the others are counted."""

from __future__ import annotations

import select
import socket
import time
from collections import Counter
from dataclasses import dataclass, field

_ADDRESSES = 20
_BATCH = 200
_ANSWER_SECONDS = 1.0
_IP_BIND_ADDRESS_NO_PORT = 24  # linux/in.h

_KEEP_ALIVE = b"GET /v1/limits HTTP/1.1\r\nHost: localhost\r\n\r\n"
_STREAM = (
    b"GET /v1/vision/hands/stream HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
_CLOSE_FRAME = b"\x88"
_TAKEN = "taken"


@dataclass(frozen=True, slots=True)
class Kind:
    """What is offered: the request, what an answer of one that is taken has in it, and the most that one may cost."""

    name: str
    request: bytes
    sign: bytes
    target_bytes: int


KINDS = (
    Kind("keep-alive connections", _KEEP_ALIVE, b"HTTP/1.1 200 ", 16_000),
    Kind("WebSockets", _STREAM, b'"ready"', 48_000),
)


@dataclass(slots=True)
class Offer:
    """What became of the connections: those that were taken, and the others by how they were refused."""

    taken: list[socket.socket] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)

    def still_open(self) -> int:
        """Return how many of those that were taken the service has not closed."""
        poll = select.poll()
        for one in self.taken:
            poll.register(one, select.POLLRDHUP)
        return len(self.taken) - len(poll.poll(0))

    def make(self, port: int, kind: Kind, count: int) -> None:
        """Offer so many, a batch after the other."""
        for first in range(0, count, _BATCH):
            self._await(kind, self._open(port, kind, range(first, min(count, first + _BATCH))))

    def close(self) -> None:
        """Close those that were taken."""
        for link in self.taken:
            link.close()

    def _open(self, port: int, kind: Kind, numbers: range) -> list[socket.socket]:
        """Connect and send each its request."""
        links = []
        for number in numbers:
            link = socket.socket()
            link.settimeout(_ANSWER_SECONDS)
            link.setsockopt(socket.IPPROTO_IP, _IP_BIND_ADDRESS_NO_PORT, 1)
            try:
                link.bind((f"127.0.0.{2 + number % _ADDRESSES}", 0))
                link.connect(("127.0.0.1", port))
                link.sendall(kind.request)
            except OSError as error:
                self._refuse(link, type(error).__name__)
            else:
                links.append(link)
        return links

    def _await(self, kind: Kind, links: list[socket.socket]) -> None:
        """Read the answers until each is known to be taken or refused; one that comes too late is refused."""
        waiting = {link.fileno(): (link, bytearray()) for link in links}
        poll = select.poll()
        for descriptor in waiting:
            poll.register(descriptor, select.POLLIN)
        give_up_at = time.monotonic() + _ANSWER_SECONDS
        while waiting and time.monotonic() < give_up_at:
            for descriptor, _ in poll.poll(50):
                link, data = waiting[descriptor]
                if (fate := _read(link, data, kind)) is not None:
                    poll.unregister(descriptor)
                    del waiting[descriptor]
                    self.taken.append(link) if fate == _TAKEN else self._refuse(link, fate)
        for link, _ in waiting.values():
            self._refuse(link, "no answer")

    def _refuse(self, link: socket.socket, word: str) -> None:
        self.refused[word] += 1
        link.close()


def _read(link: socket.socket, data: bytearray, kind: Kind) -> str | None:
    """Read what is there; return what became of the connection, None where that is not known yet."""
    try:
        piece = link.recv(4096)
    except OSError as error:
        return type(error).__name__
    data += piece
    if kind.sign in data:
        return _TAKEN
    head, _, rest = bytes(data).partition(b"\r\n\r\n")
    if rest.startswith(_CLOSE_FRAME):
        return f"close {int.from_bytes(rest[2:4], 'big')}"
    is_opening = head.startswith(b"HTTP/1.1 101"[: len(head)])
    return None if piece and is_opening else head[9:12].decode("latin-1") or "closed"
