"""What a client says in a stream: pictures, texts that are bounded before anything is built of them, and how often."""

from __future__ import annotations

import binascii
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pybase64

from app.domain.units import KIB
from app.errors import BadRequest, TooManyRequests
from app.http.json_text import JsonBounds, parse_json
from app.vision.frames import FrameId, MessageLoan

MAX_TEXT = 4 * KIB
"""Characters of a text message, the picture in it left out."""

MAX_ID = 128
"""Characters of a frame's `id`."""

_BOUNDS = JsonBounds(depth=4, values=128)

_MAX_PREFIX = 1 * KIB
"""Characters of a data URL before its comma."""

_IMAGE = re.compile(r'"image"[ \t\r\n]*:[ \t\r\n]*"')

TINY_BYTES = 1 * KIB
"""No picture of a camera is smaller; such a message costs more to take in than its bytes tell."""

_RATE, _BURST, _TINY_TOKENS = 300, 1200, 5
"""A stream may send 300 messages a second (more than twice the highest `maxFps`), of tiny ones 60, and 4 s of that at
once: what a stall of the network held up."""


@dataclass(frozen=True, slots=True)
class Message:
    """What a client sent; with a `loan`, its bytes are charged to the connection."""

    data: bytes | str
    loan: MessageLoan | None = None


class MessageRate:
    """A bucket of tokens, which fills with time; each message takes some."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._tokens = float(_BURST)
        self._at = clock()

    def spend(self, size: int) -> float:
        """Count a message of that many bytes or characters; return how many seconds to wait before it is taken.

        Raises:
            TooManyRequests: it is a tiny one, of which too many came.
        """
        now = self._clock()
        self._tokens = min(_BURST, self._tokens + _RATE * (now - self._at))
        self._at = now
        self._tokens -= 1 if size >= TINY_BYTES else _TINY_TOKENS
        if self._tokens >= 0:
            return 0.0
        if size < TINY_BYTES:
            raise TooManyRequests(f"A stream may send {_RATE // _TINY_TOKENS} small messages a second.")
        return -self._tokens / _RATE


@dataclass(frozen=True, slots=True)
class TextMessage:
    """A JSON object, its `image` left where it stands in the text: between `begin` and `end`, if it is a text."""

    members: dict[str, Any]
    text: str
    begin: int = 0
    end: int = 0

    @property
    def id(self) -> FrameId:
        """Return the name of a frame.

        Raises:
            BadRequest: it is neither a number nor a text of `MAX_ID` characters.
        """
        name = self.members.get("id")
        if name is None:
            return None
        is_number = isinstance(name, int | float) and not isinstance(name, bool)
        if (not isinstance(name, str) and not is_number) or len(str(name)) > MAX_ID:
            raise BadRequest(f"`id` is a number or a text of at most {MAX_ID} characters.")
        return name  # type: ignore[no-any-return]

    def encoded(self) -> EncodedPicture:
        """Return the picture of a frame message, not decoded yet.

        Raises:
            BadRequest: there is no such text.
        """
        begin = self.begin
        if not begin:
            raise BadRequest("A frame message needs `image`: base64 or a data URL.")
        if self.text.startswith("data:", begin):
            begin = self.text.find(",", begin, min(begin + _MAX_PREFIX, self.end)) + 1
            if not begin:
                raise BadRequest("`image` is a data URL without a comma.")
        return EncodedPicture(self.text, begin, self.end)


@dataclass(frozen=True, slots=True)
class EncodedPicture:
    """Base64 between two places of a text."""

    text: str
    begin: int
    end: int

    @property
    def characters(self) -> int:
        return self.end - self.begin

    @property
    def size_bytes(self) -> int:
        """The size of the picture, if it is base64 at all."""
        escapes = self.text.count("\\", self.begin, self.end)
        padding = self.text.count("=", max(self.begin, self.end - 2), self.end)
        return max(0, (self.characters - escapes) // 4 * 3 - padding)

    def decode(self) -> bytes:
        """Return the picture. Meanwhile there is a copy of the base64, too.

        Raises:
            BadRequest: it is not base64.
        """
        encoded = self.text[self.begin : self.end]
        if "\\" in encoded:
            encoded = encoded.replace("\\/", "/")  # as some write a slash in JSON
        try:
            return pybase64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            raise BadRequest("`image` is not base64.") from None


def parse_message(text: str) -> TextMessage:
    """Read a text message. A picture in it is skipped, not looked at: base64 has no quotation mark.

    Raises:
        BadRequest: it is no JSON object, or too long, deep or large besides its picture.
    """
    opening = _IMAGE.search(text, 0, MAX_TEXT)
    begin = end = 0
    if opening is not None:
        begin = opening.end()
        end = text.find('"', begin)
    if end < begin:
        raise BadRequest("A text message is a JSON object.")
    if len(text) - (end - begin) > MAX_TEXT:
        raise BadRequest(f"A text message may have {MAX_TEXT} characters besides its `image`.")
    members = parse_json(text if opening is None else text[:begin] + text[end:], _BOUNDS)
    if not isinstance(members, dict):
        raise BadRequest("A text message is a JSON object.")
    if opening is not None and members.get("image") != "":
        raise BadRequest("`image` is a member of the message itself.")
    return TextMessage(members, text, begin, end)
