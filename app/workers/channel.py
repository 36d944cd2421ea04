"""Messages between the API and a child: a JSON head and raw bytes, over a Unix stream socket. The child's end is here.

On the wire a message is two little-endian u32 (head length, payload length), then the head, then the payload.
"""

from __future__ import annotations

import json
import socket
import struct
import threading
from dataclasses import dataclass
from typing import Any

PREFIX = struct.Struct("<II")
MAX_HEAD_BYTES = 1 << 20
MAX_PAYLOAD_BYTES = 64 << 20

Head = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Message:
    """`descriptors` are open files that a call passes to the child (`descriptors`); they stay the sender's to close.

    `origin` names the input that lies in one of them; empty where it is the payload.
    """

    head: Head
    payload: bytes
    descriptors: tuple[int, ...] = ()
    origin: bytes = b""

    @property
    def suspect(self) -> bytes:
        """What stands for the input where a child crashes on it (`suspects.Suspects`)."""
        return self.payload or self.origin


def pack_head(head: Head, payload_bytes: int) -> bytes:
    """Return the prefix and head of a message whose payload has `payload_bytes` bytes."""
    encoded = json.dumps(head, separators=(",", ":")).encode()
    return PREFIX.pack(len(encoded), payload_bytes) + encoded


class BlockingChannel:
    """The child's end: one reader, any number of writing threads."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._reader = sock.makefile("rb", buffering=1 << 18)
        self._write_lock = threading.Lock()

    def receive(self) -> Message | None:
        """Return the next message, or None when the other end is closed."""
        return self.receive_rest(self._reader.read(PREFIX.size))

    def receive_rest(self, prefix: bytes) -> Message | None:
        """Return the message that begins with `prefix`, which was read already; None as in `receive`."""
        if len(prefix) < PREFIX.size:
            return None
        head_bytes, payload_bytes = PREFIX.unpack(prefix)
        head = self._reader.read(head_bytes)
        payload = self._reader.read(payload_bytes)
        if len(head) < head_bytes or len(payload) < payload_bytes:
            return None
        return Message(json.loads(head), payload)

    def send(self, head: Head, payload: bytes = b"") -> None:
        """Send one message whole.

        Raises:
            OSError: the other end is closed.
        """
        packed = pack_head(head, len(payload))
        with self._write_lock:
            sent = self._socket.sendmsg((packed, payload))
            if sent < len(packed):
                self._socket.sendall(packed[sent:])
                sent = len(packed)
            if sent < len(packed) + len(payload):
                self._socket.sendall(memoryview(payload)[sent - len(packed) :])
