"""Frames of a stream on their way: read from messages, held one at a time."""

from __future__ import annotations

import asyncio
import binascii
from dataclasses import dataclass, field
from typing import Any

import pybase64

from app.errors import BadRequest


@dataclass(frozen=True, slots=True)
class Frame:
    """`seq` counts the frames that one client sent, from 1; `id` is the client's own name for it."""

    seq: int
    picture: bytes
    id: object = None


@dataclass(slots=True)
class NewestSlot:
    """Holds one frame: the newest. A frame put over another one drops the older, which is counted."""

    dropped: int = 0
    _frame: Frame | None = None
    _filled: asyncio.Event = field(default_factory=asyncio.Event)

    def put(self, frame: Frame) -> None:
        self.dropped += self._frame is not None
        self._frame = frame
        self._filled.set()

    async def filled(self) -> None:
        """Wait until there is a frame."""
        await self._filled.wait()

    def take(self) -> Frame:
        """Take the frame out; there must be one."""
        assert self._frame is not None
        frame, self._frame = self._frame, None
        self._filled.clear()
        return frame


def picture_of(message: dict[str, Any]) -> bytes:
    """Return the picture of a `{"type": "frame", "image": <base64 or data URL>}` message.

    Raises:
        BadRequest: there is no such text, or it is not base64.
    """
    text = message.get("image")
    if not isinstance(text, str):
        raise BadRequest("A frame message needs `image`: base64 or a data URL.")
    if text.startswith("data:"):
        text = text.partition(",")[2]
    try:
        return pybase64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise BadRequest("`image` is not base64.") from None
