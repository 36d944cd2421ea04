"""Open files that go with calls to a child, beside the channel: the service opens them, the child can open nothing.

They come in packets on a socket of their own (SOCK_SEQPACKET, unix(7)): asyncio sends none over its transports. A
packet is the number of a call and holds its descriptors, and is sent before the call.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from collections.abc import Iterator, Sequence

MOST = 8
"""Descriptors of one call."""

_NUMBER = struct.Struct("<Q")


class DescriptorSender:
    """The API's end."""

    def __init__(self) -> None:
        self._socket, self._theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.setblocking(False)

    def hand_over(self, channel: socket.socket, opening: bytes) -> None:
        """Send the opening message of a child over its channel, and with it the child's end of this.

        Nothing happens where the child is gone: its channel says so.
        """
        with self._theirs, contextlib.suppress(OSError):
            socket.send_fds(channel, [opening], [self._theirs.fileno()])

    def send(self, number: int, descriptors: Sequence[int]) -> None:
        """Send the descriptors of a call; nothing happens where the child is gone, as with the call itself."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            socket.send_fds(self._socket, [_NUMBER.pack(number)], descriptors)

    def close(self) -> None:
        self._socket.close()
        self._theirs.close()


class DescriptorInbox:
    """The child's end."""

    def __init__(self, descriptor: int) -> None:
        self._socket = socket.socket(fileno=descriptor)

    @contextlib.contextmanager
    def taken(self, number: int) -> Iterator[Sequence[int]]:
        """Give the descriptors of the call of this number for the block; those of calls that were recalled go."""
        descriptors: list[int] = []
        found = -1
        try:
            while found != number:
                _close(descriptors)
                data, descriptors, _, _ = socket.recv_fds(self._socket, _NUMBER.size, MOST)
                (found,) = _NUMBER.unpack(data)
            yield descriptors
        finally:
            _close(descriptors)


def receive_opening(channel: socket.socket, prefix_bytes: int) -> tuple[bytes, list[int]]:
    """Return the first bytes of what comes over a channel, and the descriptor that came with them, if any."""
    data, descriptors, _, _ = socket.recv_fds(channel, prefix_bytes, 1)
    while data and len(data) < prefix_bytes and (more := channel.recv(prefix_bytes - len(data))):
        data += more
    return data, descriptors


def _close(descriptors: list[int]) -> None:
    while descriptors:
        os.close(descriptors.pop())
