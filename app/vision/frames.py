"""Frames of a stream on their way: read from messages, held one at a time."""

from __future__ import annotations

import asyncio
import binascii
import json
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
    """Holds one frame: the newest. `dropped` counts the older ones that a newer one replaced."""

    dropped: int = 0
    _frame: Frame | None = None
    _filled: asyncio.Event = field(default_factory=asyncio.Event)

    def put(self, frame: Frame) -> bool:
        """Put a frame in; return whether it replaced an older one."""
        replaced = self._frame is not None
        self.dropped += replaced
        self._frame = frame
        self._filled.set()
        return replaced

    async def filled(self) -> None:
        """Wait until there is a frame."""
        await self._filled.wait()

    def take(self) -> Frame:
        """Take the frame out; there must be one."""
        assert self._frame is not None
        frame, self._frame = self._frame, None
        self._filled.clear()
        return frame


def parse_message(text: str) -> dict[str, Any]:
    """Return the members of a text message.

    Raises:
        BadRequest: it is no JSON object.
    """
    try:
        message = json.loads(text, parse_constant=_reject_constant)
    except (ValueError, RecursionError):
        message = None
    if not isinstance(message, dict):
        raise BadRequest("A text message is a JSON object.")
    return message


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


def _reject_constant(name: str) -> None:
    """NaN and Infinity are not JSON, and would come back to the client in an answer."""
    raise ValueError(name)
