"""A request body as one file, raw or as a form, never whole in memory."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

from fastapi import Request
from starlette.types import Message, Receive

from app.domain.media import Chunk
from app.errors import PayloadTooLarge, RequestTimeout, UnsupportedMedia
from app.http.multipart import file_part
from app.http.parts import FRAMING_BYTES

MIN_BYTES_PER_SECOND = 1024
"""The lowest rate at which a body may come, on average over the time for which it may pause."""


@dataclass(frozen=True, slots=True)
class IncomingFile:
    """One file that a client is sending: what the client says of it, and its bytes as they come.

    `declared_bytes` is the most that it can have by the announced length of the body, None if none was announced.
    """

    name: str | None
    content_type: str | None
    declared_bytes: int | None
    chunks: AsyncIterator[Chunk]


async def incoming_file(request: Request, *, max_bytes: int, idle_seconds: float) -> IncomingFile:
    """Begin to read the request's body: a form with one part named `file`, or the bytes themselves.

    What the headers show to be unacceptable is refused before anything is read. `chunks` raise the same errors while
    the rest is read, and `ClientDisconnect` where the client goes away.

    Raises:
        PayloadTooLarge: more than `max_bytes` (and the framing of a form), announced or counted.
        UnsupportedMedia: the body is compressed.
        BadRequest: the form is broken (see `file_part`).
        RequestTimeout: no byte came for `idle_seconds`.
    """
    _refuse_compressed(request)
    content_type = request.headers.get("content-type")
    is_form = content_type is not None and content_type.strip().lower().startswith("multipart/form-data")
    declared_bytes = _content_length(request)
    cap_bytes = max_bytes + FRAMING_BYTES if is_form else max_bytes
    if declared_bytes is not None and declared_bytes > cap_bytes:
        raise _too_large(max_bytes)
    body = _counted(_timed(request.stream(), idle_seconds), cap_bytes, max_bytes)
    if not is_form or content_type is None:
        return IncomingFile(request.query_params.get("name"), content_type, declared_bytes, body)
    part = await file_part(body, content_type)
    at_most_bytes = None if declared_bytes is None else min(declared_bytes, max_bytes)
    return IncomingFile(request.query_params.get("name") or part.name, part.content_type, at_most_bytes, part.chunks)


class Arrival:
    """A request's messages on their way to who reads them; `whole` is set when the last of the body has come."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.whole = asyncio.Event()

    async def receive(self) -> Message:
        message = await self._receive()
        if not message.get("more_body", False):  # as in a disconnect
            self.whole.set()
        return message


def plain_body(request: Request, *, max_bytes: int, idle_seconds: float) -> AsyncIterator[bytes]:
    """Return the request's body as it comes, whatever it is, with the same checks as `incoming_file`."""
    _refuse_compressed(request)
    declared_bytes = _content_length(request)
    if declared_bytes is not None and declared_bytes > max_bytes:
        raise _too_large(max_bytes)
    return _counted(_timed(request.stream(), idle_seconds), max_bytes, max_bytes)


def _refuse_compressed(request: Request) -> None:
    if request.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        raise UnsupportedMedia("Compressed request bodies are not accepted; send the bytes as they are.")


async def _timed(stream: AsyncIterator[bytes], idle_seconds: float) -> AsyncIterator[bytes]:
    """Give what `stream` gives. Only the time spent waiting for it counts, not what is done with it."""
    pace = _Pace(idle_seconds)
    while True:
        asked_at = time.monotonic()
        try:
            async with asyncio.timeout(idle_seconds):
                chunk = await anext(stream, None)
        except TimeoutError:
            raise RequestTimeout(f"No byte of the body arrived for {idle_seconds:g} seconds.") from None
        if chunk is None:
            return
        pace.count(len(chunk), time.monotonic() - asked_at)
        if chunk:
            yield chunk


class _Pace:
    """The rate of a body: one that sends a byte now and then would hold its buffers for ever."""

    def __init__(self, window_seconds: float) -> None:
        self._window_seconds = window_seconds
        self._waited_seconds = 0.0
        self._size_bytes = 0

    def count(self, size_bytes: int, waited_seconds: float) -> None:
        """Count some bytes, and the time spent waiting for them.

        Raises:
            RequestTimeout: over the last window of waiting they came too slowly.
        """
        self._size_bytes += size_bytes
        self._waited_seconds += waited_seconds
        if self._waited_seconds >= self._window_seconds:
            if self._size_bytes < MIN_BYTES_PER_SECOND * self._waited_seconds:
                raise RequestTimeout(f"The body arrives at less than {MIN_BYTES_PER_SECOND} bytes a second.")
            self._waited_seconds, self._size_bytes = 0.0, 0


async def _counted(stream: AsyncIterator[bytes], cap_bytes: int, max_bytes: int) -> AsyncIterator[bytes]:
    """Give what `stream` gives while it keeps to the cap: an announced length is not trusted."""
    size_bytes = 0
    async for chunk in stream:
        size_bytes += len(chunk)
        if size_bytes > cap_bytes:
            raise _too_large(max_bytes)
        yield chunk


def _content_length(request: Request) -> int | None:
    value = request.headers.get("content-length", "")
    return int(value) if value.isascii() and value.isdigit() else None


def _too_large(max_bytes: int) -> PayloadTooLarge:
    return PayloadTooLarge(f"The body may have at most {max_bytes} bytes.", limitBytes=max_bytes)
