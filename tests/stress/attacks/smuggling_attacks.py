"""Requests that two readers could read differently. An answer to the hidden one is counted as `smuggled`."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from tests.stress.attacks.registry import attack
from tests.stress.attacks.wire import GONE, Target

_HIDDEN = b"DELETE /v1/media/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"
_CHUNKED_END = b"0\r\n\r\n"

LENGTHS = {
    "CL and TE": (("Content-Length: 5", "Transfer-Encoding: chunked"), _CHUNKED_END),
    "TE and CL": (("Transfer-Encoding: chunked", "Content-Length: 4"), _CHUNKED_END),
    "two CL": (("Content-Length: 4", "Content-Length: 60"), b"abcd"),
    "two CL in one": (("Content-Length: 4, 60",), b"abcd"),
    "CL with a sign": (("Content-Length: +4",), b"abcd"),
    "negative CL": (("Content-Length: -4",), b"abcd"),
    "hexadecimal CL": (("Content-Length: 0x4",), b"abcd"),
    "CL beyond 64 bits": (("Content-Length: 99999999999999999999999",), b"abcd"),
    "empty CL": (("Content-Length:",), b"abcd"),
    "TE unknown": (("Transfer-Encoding: xchunked",), _CHUNKED_END),
    "TE twice": (("Transfer-Encoding: chunked", "Transfer-Encoding: identity"), _CHUNKED_END),
    "TE not last": (("Transfer-Encoding: chunked, gzip",), _CHUNKED_END),
    "TE with a tab": (("Transfer-Encoding:\tchunked\x0b",), _CHUNKED_END),
}
"""Header lines after `POST /v1/media HTTP/1.1`, and a body that ends the request for one of two readers."""

FIELDS = {
    "space before the colon": b"Content-Length : 4\r\n\r\nabcd",
    "obs-fold": b"X-A: b\r\n Content-Length: 4\r\n\r\nabcd",
    "bare LF": b"X-A: b\nContent-Length: 4\n\nabcd",
    "bare CR": b"X-A: b\rContent-Length: 4\r\n\r\nabcd",
    "NUL in a value": b"X-A: b\x00c\r\nContent-Length: 4\r\n\r\nabcd",
    "NUL in a name": b"X\x00A: b\r\nContent-Length: 4\r\n\r\nabcd",
    "no colon": b"Content-Length 4\r\n\r\nabcd",
    "empty name": b": b\r\nContent-Length: 4\r\n\r\nabcd",
    "two hosts": b"Host: evil\r\nContent-Length: 4\r\n\r\nabcd",
    "bytes above ASCII": b"X-\xff\xfe: \xc0\x80\r\nContent-Length: 4\r\n\r\nabcd",
    "bad chunk ending": b"Transfer-Encoding: chunked\r\n\r\n1\r\naXX0\r\n\r\n",
    "chunk size with a space": b"Transfer-Encoding: chunked\r\n\r\n1 1\r\na\r\n0\r\n\r\n",
    "chunk LF only": b"Transfer-Encoding: chunked\r\n\r\n1\na\n0\n\n",
}
"""Bytes after the first two lines of a request."""


async def _try(target: Target, name: str, request: bytes) -> None:
    """Send a request with another one hidden behind; who answers both, read it as the attacker wants."""
    async with target.connect() as wire:
        before = target.tally["404"]
        with suppress(*GONE):
            await wire.send(request + _HIDDEN)
            async with asyncio.timeout(0.5):
                while True:
                    await wire.answer()
        if target.tally["404"] > before:
            target.tally[f"smuggled: {name}"] += 1


@attack("smuggling by lengths", "one connection each: CL with TE, two CL, signs, unknown codings, a request behind", 1)
async def smuggle_by_length(target: Target) -> None:
    for name, (lines, body) in LENGTHS.items():
        await _try(target, name, target.head("POST", "/v1/media", *lines) + body)


@attack(
    "smuggling by fields", "one connection each: obs-fold, bare LF, NUL, space before the colon, a request behind", 1
)
async def smuggle_by_field(target: Target) -> None:
    start = b"POST /v1/media HTTP/1.1\r\nHost: localhost\r\n"
    for name, rest in FIELDS.items():
        await _try(target, name, start + rest)


@attack("smuggling storm", "20 connections at a time, the same as fast as they are refused", 20)
async def smuggle_fast(target: Target) -> None:
    for lines, body in LENGTHS.values():
        async with target.connect() as wire:
            await wire.send(target.head("POST", "/v1/media", *lines) + body + _HIDDEN)
            await wire.receive()
