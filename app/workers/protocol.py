"""The API's end of the channel. Apart from the child's, so that no child loads asyncio (4.5 MB)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import cast

from app.workers.channel import MAX_HEAD_BYTES, MAX_PAYLOAD_BYTES, PREFIX, Head, Message, pack_head

_JOINED_BYTES = 256 * 1024
"""Payload that is copied to go out with its head; a larger one costs more to copy than a second wake-up."""


class MessageProtocol(asyncio.Protocol):
    """The API's end: calls `on_message` for each message and `on_close` once when the child is gone.

    A message above the limits of `channel` is a broken or hijacked child: the connection is cut.
    """

    def __init__(self, on_message: Callable[[Message], None], on_close: Callable[[], None]) -> None:
        self._on_message = on_message
        self._on_close = on_close
        self._buffer = bytearray()
        self._is_cut = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is not a subclass

    def send(self, head: Head, payload: bytes = b"") -> None:
        """Queue one message; nothing happens when the child is gone (`on_close` says so)."""
        if self._transport is None or self._transport.is_closing():
            return
        packed = pack_head(head, len(payload))
        if len(payload) <= _JOINED_BYTES:
            self._transport.write(packed + payload)  # one write, so that the child wakes once
        else:
            self._transport.write(packed)
            self._transport.write(payload)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        if self._is_cut:
            return
        self._buffer += data
        while (message := self._take_message()) is not None:
            self._on_message(message)

    def connection_lost(self, _error: Exception | None) -> None:
        self._on_close()

    def _take_message(self) -> Message | None:
        buffer = self._buffer
        if len(buffer) < PREFIX.size:
            return None
        head_bytes, payload_bytes = PREFIX.unpack_from(buffer)
        if head_bytes > MAX_HEAD_BYTES or payload_bytes > MAX_PAYLOAD_BYTES:
            self.abort()
            return None
        head_end = PREFIX.size + head_bytes
        end = head_end + payload_bytes
        if len(buffer) < end:
            return None
        try:
            head = json.loads(buffer[PREFIX.size : head_end])
        except (ValueError, RecursionError):
            head = None
        if not isinstance(head, dict):
            self.abort()
            return None
        payload = bytes(memoryview(buffer)[head_end:end])
        del buffer[:end]
        return Message(head, payload)

    def abort(self) -> None:
        """Cut the connection: what came is not to be trusted."""
        self._is_cut = True
        self._buffer.clear()
        if self._transport is not None:
            self._transport.abort()
