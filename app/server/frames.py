"""The frames of a WebSocket as they come from its connection (RFC 6455, section 5)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from websockets.frames import Opcode
from websockets.speedups import apply_mask

from app.domain.units import KIB
from app.server.connection import Connection

_LARGEST_CONTROL_BYTES = 125
_OPCODES = {opcode.value: opcode for opcode in Opcode}


class FrameError(Exception):
    """The stream ends here; `code` is the close code that tells why."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Gone(Exception):
    """The client went without a close frame."""


@dataclass(frozen=True, slots=True)
class FrameHead:
    opcode: Opcode
    is_last: bool
    size_bytes: int
    mask: bytes

    @property
    def is_control(self) -> bool:
        return self.opcode >= Opcode.CLOSE


async def read_frame_head(connection: Connection) -> FrameHead:
    """Read the head of the next frame, and nothing of its payload.

    Raises:
        FrameError: it is not allowed by the protocol.
        Gone: the client went.
    """
    first, second = await _exactly(connection, 2)
    opcode = _OPCODES.get(first & 0x0F)
    if first & 0x70 or opcode is None:
        raise FrameError(1002, "reserved bits or opcodes are used")  # an extension that was not agreed on
    if not second & 0x80:
        raise FrameError(1002, "frames of a client are masked")
    size_bytes = second & 0x7F
    if size_bytes == 126:
        (size_bytes,) = struct.unpack("!H", await _exactly(connection, 2))
    elif size_bytes == 127:
        (size_bytes,) = struct.unpack("!Q", await _exactly(connection, 8))
    head = FrameHead(opcode, bool(first & 0x80), size_bytes, await _exactly(connection, 4))
    if head.is_control and (size_bytes > _LARGEST_CONTROL_BYTES or not head.is_last):
        raise FrameError(1002, "a control frame is too long, or in fragments")
    return head


async def read_payload(connection: Connection, head: FrameHead) -> bytes:
    """Read a frame's payload; it takes twice its size until it is unmasked.

    Raises:
        Gone: the client went.
    """
    if not head.size_bytes:
        return b""
    masked = bytearray(head.size_bytes)
    if not await connection.inlet.fill(memoryview(masked), least=head.size_bytes):
        raise Gone
    return apply_mask(masked, head.mask)


async def skip_payload(connection: Connection, head: FrameHead) -> None:
    """Discard a frame's payload, a slice at a time.

    Raises:
        Gone: the client went.
    """
    missing_bytes = head.size_bytes
    while missing_bytes:
        missing_bytes -= len(await _exactly(connection, min(missing_bytes, 4 * KIB)))


async def _exactly(connection: Connection, nbytes: int) -> bytes:
    data = await connection.inlet.read_exactly(nbytes)
    if not data:
        raise Gone
    return data
