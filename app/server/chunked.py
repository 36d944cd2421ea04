"""The chunked coding of a body (RFC 9112, section 7.1), decoded without keeping anything of it."""

from __future__ import annotations

import re

from app.domain.units import KIB

MAX_LINE_BYTES = 256
"""The line before a chunk: its size, and extensions that nobody reads."""

MAX_TRAILER_BYTES = 8 * KIB
"""All trailers together; they are dropped."""

_OVERHEAD = 8
_FREE_OVERHEAD_BYTES = 64 * KIB
"""A chunk of one byte has 5 bytes of framing; who sends more than 8 for each byte, beyond this, sends extensions."""

_FIRST_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n]*)?\r\n")
_NEXT_SIZE = re.compile(rb"\r\n" + _FIRST_SIZE.pattern)
_RUNS = {b"\r\n%d" % size: re.compile(rb"(?:\r\n%d\r\n[\s\S]{%d})++" % (size, size)) for size in range(1, 10)}
"""Chunks of the same few bytes, one after another: a line of Python for each would take a hundred times as long."""


class BadChunk(Exception):
    """What came is not the chunked coding, or has lines without end."""


class ChunkedDecoder:
    """Takes what was received, piece by piece. `is_done` says that the body has ended."""

    def __init__(self) -> None:
        self.is_done = False
        self._size = _FIRST_SIZE
        self._unread = b""  # the beginning of a line
        self._missing_bytes = 0
        self._body_bytes = 0
        self._framing_bytes = 0
        self._trailer_bytes: int | None = None  # None: the last chunk has not come

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """Return what of `data` belongs to the body, and what follows the body's end.

        Raises:
            BadChunk: it is not the coding.
        """
        carried = len(self._unread)
        data = self._unread + data
        self._unread = b""
        parts: list[memoryview | bytearray] = []
        view = memoryview(data)
        at = 0
        while at < len(data) and self._trailer_bytes is None:
            if self._missing_bytes:
                part = view[at : at + self._missing_bytes]
                parts.append(part)
                at += len(part)
                self._missing_bytes -= len(part)
            elif self._size is _NEXT_SIZE and (run := _run(data, at)) is not None:
                parts.append(_joined(run[0]))
                at = run.end()
            elif (line := self._size.match(data, at)) and line.end() - at <= MAX_LINE_BYTES:
                at = line.end()
                self._begin_chunk(int(line[1], 16))
            else:
                self._keep_line(data[at:])
                at = len(data)
        body = b"".join(parts)
        self._body_bytes += len(body)
        self._framing_bytes += at - carried - len(body)
        if self._framing_bytes > _OVERHEAD * self._body_bytes + _FREE_OVERHEAD_BYTES:
            raise BadChunk("the chunks are too small, or their extensions too large")
        return body, self._drop_trailers(data[at:]) if self._trailer_bytes is not None else b""

    def _begin_chunk(self, size_bytes: int) -> None:
        self._size = _NEXT_SIZE
        self._missing_bytes = size_bytes
        if not size_bytes:
            self._trailer_bytes = 0

    def _keep_line(self, line: bytes) -> None:
        """Keep the beginning of a line until the rest comes."""
        rest = line.removeprefix(b"\r\n") if self._size is _NEXT_SIZE else line
        if len(line) > MAX_LINE_BYTES or b"\n" in rest:
            raise BadChunk("the size of a chunk is not a number, or its line too long")
        self._unread = line

    def _drop_trailers(self, data: bytes) -> bytes:
        """Pass over the trailers; return what follows them."""
        assert self._trailer_bytes is not None
        while (end := data.find(b"\r\n")) > 0:
            self._trailer_bytes += end + 2
            data = data[end + 2 :]
            if self._trailer_bytes > MAX_TRAILER_BYTES:
                break
        if end == 0:
            self.is_done = True
            return data[2:]
        if self._trailer_bytes + len(data) > MAX_TRAILER_BYTES:
            raise BadChunk("the trailers are too large")
        self._unread = data
        return b""


def _run(data: bytes, at: int) -> re.Match[bytes] | None:
    """Return a run of small chunks, each with the end of the line before it."""
    pattern = _RUNS.get(data[at : at + 3])
    return None if pattern is None else pattern.match(data, at)


def _joined(run: bytes) -> bytearray:
    """Return what the chunks of a run have in them."""
    size = run[2] - ord("0")
    step = len(b"\r\n1\r\n") + size
    joined = bytearray(len(run) // step * size)
    for place in range(size):
        joined[place::size] = run[step - size + place :: step]
    return joined
