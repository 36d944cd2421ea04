"""The API's end of a channel with the wire in the test's hand."""

from __future__ import annotations

import asyncio

from app.workers.channel import Message
from app.workers.protocol import MessageProtocol


class Wire(asyncio.Transport):
    """Keeps what is written, and whether it was cut."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.is_aborted = False
        self.is_closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def abort(self) -> None:
        self.is_aborted = True

    def close(self) -> None:
        self.is_closed = True

    def is_closing(self) -> bool:
        return self.is_aborted or self.is_closed


class Reader:
    """A protocol, what it was told, and the wire that it is at."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.closed = 0
        self.wire = Wire()
        self.protocol = MessageProtocol(self.messages.append, self._close)
        self.protocol.connection_made(self.wire)

    def _close(self) -> None:
        self.closed += 1
