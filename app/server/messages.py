"""The messages of a WebSocket: read when the application asks for the next one, and charged before they are."""

from __future__ import annotations

import asyncio
from typing import Any

from websockets.frames import Close, Frame, Opcode

from app.domain.units import KIB
from app.server.accounts import Loan
from app.server.connection import Connection
from app.server.frames import FrameError, FrameHead, read_frame_head, read_payload

SMALL_BYTES = 64 * KIB
"""A message up to this size is covered by what a stream reserves; a larger one is charged to its connection."""

MAX_FRAGMENTS = 4096
"""Fragments of one message; browsers send a message in a handful."""

MAX_PINGS = 256
"""Pings between two messages."""

LOAN_SECONDS = 10.0
"""How long a message waits for bytes."""

_LEAST_RATE = 64 * KIB
_LATE_SECONDS = 5.0
"""A message that was lent bytes comes at so many a second, after these first seconds."""


class Messages:
    """Reads one connection's messages. `is_reading`: the application waits for one."""

    def __init__(self, connection: Connection, max_bytes: int) -> None:
        self._connection = connection
        self._max_bytes = max_bytes
        self._loan: Loan | None = None
        self.is_reading = False
        self.heard = True  # since the last look at it

    async def next(self) -> dict[str, Any]:
        """Return the next message as ASGI has it; pings are answered on the way.

        Raises:
            FrameError: the stream cannot go on; a close frame of the client comes as one with its own code.
            Gone: the client went without one.
        """
        self.end_loan()
        self.is_reading = True
        await self._connection.take_turn()
        try:
            return await self._read_message()
        finally:
            self.is_reading = False

    def end_loan(self) -> None:
        """Give the bytes of the last message back, unless the application keeps them charged."""
        if self._loan is not None and not self._loan.is_taken:
            self._loan.release()
        self._loan = None

    async def _read_message(self) -> dict[str, Any]:
        head = await self._read_data_head()
        if head.opcode is Opcode.CONT:
            raise FrameError(1002, "a fragment continues nothing")
        kind = head.opcode
        data: bytes | bytearray = await self._read_data(head, 0)
        if not head.is_last:
            data = await self._read_fragments(data)
        return self._finish(kind, data)

    async def _read_fragments(self, first: bytes | bytearray) -> bytearray:
        joined = bytearray(first)  # joined as they come: a list of tiny ones takes 50 times their bytes
        for _ in range(MAX_FRAGMENTS):
            head = await self._read_data_head()
            if head.opcode is not Opcode.CONT:
                raise FrameError(1002, "a message begins within another")
            joined += await self._read_data(head, len(joined))
            if head.is_last:
                return joined
        raise FrameError(1008, "too many fragments")

    async def _read_data_head(self) -> FrameHead:
        """Return the head of the next data frame."""
        for _ in range(MAX_PINGS):
            head = await read_frame_head(self._connection)
            self.heard = True
            if not head.is_control:
                return head
            await self._connection.take_turn()
            await self._take_control(head)
        raise FrameError(1008, "too many pings")

    async def _take_control(self, head: FrameHead) -> None:
        payload = await read_payload(self._connection, head)
        if head.opcode is Opcode.CLOSE:
            raise _closed(payload)
        if head.opcode is Opcode.PING:
            await self._connection.drain()  # nothing is read while a client does not take its answers
            self._connection.write(Frame(Opcode.PONG, payload).serialize(mask=False))

    async def _read_data(self, head: FrameHead, before_bytes: int) -> bytes:
        """Read a frame of a message of which so many bytes are there."""
        size_bytes = before_bytes + head.size_bytes
        if size_bytes > self._max_bytes:
            raise FrameError(1009, f"a message may have {self._max_bytes} bytes")
        if size_bytes <= SMALL_BYTES:
            return await read_payload(self._connection, head)
        await self._borrow(2 * size_bytes)
        try:
            async with asyncio.timeout(_LATE_SECONDS + head.size_bytes / _LEAST_RATE):
                return await read_payload(self._connection, head)
        except TimeoutError:
            raise FrameError(1008, "the message comes too slowly") from None

    async def _borrow(self, nbytes: int) -> None:
        """Have so many bytes charged for this message."""
        account = self._connection.account
        if self._loan is None:
            self._loan = Loan(account, 0)
        missing_bytes = nbytes - self._loan.nbytes
        if missing_bytes > 0:
            if not await account.wait(missing_bytes, LOAN_SECONDS):
                raise FrameError(1013, "memory is tight; send smaller messages, or try again later")
            self._loan.nbytes += missing_bytes

    def _finish(self, kind: Opcode, data: bytes | bytearray) -> dict[str, Any]:
        message: dict[str, Any] = {"type": "websocket.receive", "loan": self._loan}
        if kind is Opcode.TEXT:
            try:
                message["text"] = data.decode()
            except UnicodeDecodeError:
                raise FrameError(1007, "a text message is not UTF-8") from None
        else:
            message["bytes"] = bytes(data)
        if self._loan is not None:
            self._loan.shrink(len(data))
        return message


def _closed(payload: bytes) -> FrameError:
    """Return what ends the stream after a close frame of the client."""
    try:
        close = Close.parse(payload)
        close.check() if payload else None
    except Exception:  # websockets' ProtocolError, or bytes that are no UTF-8
        return FrameError(1002, "the close frame is not valid")
    return FrameError(close.code, close.reason)
