"""Heads of requests: slow, large, without an end, with too much in them."""

from __future__ import annotations

import asyncio

from app.domain.units import KIB
from tests.stress.attacks.registry import attack
from tests.stress.attacks.wire import Target

_MANY_LINES = b"GET /v1/memory/events HTTP/1.1\r\nHost: localhost\r\n" + b"a: b\r\n" * 50_000
_LONG_LINE = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nX-Long: "
_TOKEN = b"a" * 64 * KIB


@attack("slow heads", "300 connections, a byte of a head each half second", 300)
async def drip_a_head(target: Target) -> None:
    async with target.connect() as wire:
        for byte in target.head("GET", "/health/live", "X-Filler: " + "a" * 500):
            await wire.send(bytes([byte]))
            await asyncio.sleep(0.5)


@attack("many header lines", "60 connections, 50,000 header lines in one write, no end", 60)
async def send_many_lines(target: Target) -> None:
    async with target.connect() as wire:
        await wire.send(_MANY_LINES)
        await wire.hold()


@attack("many header lines, whole", "60 connections, heads of 50,000 lines with an end, read", 60)
async def send_many_lines_and_the_end(target: Target) -> None:
    async with target.connect() as wire:
        await wire.send(_MANY_LINES + b"\r\n")
        await wire.swallow()


@attack("endless header line", "20 connections, one header line without an end", 20)
async def send_a_line_without_end(target: Target) -> None:
    async with target.connect() as wire:
        await wire.send(_LONG_LINE)
        await wire.pour(_TOKEN)


@attack("endless request line", "20 connections, a path without an end", 20)
async def send_a_path_without_end(target: Target) -> None:
    async with target.connect() as wire:
        await wire.send(b"GET /")
        await wire.pour(_TOKEN)


@attack("large heads held", "400 connections, 60 KiB of a head each, no end", 400)
async def hold_a_large_head(target: Target) -> None:
    async with target.connect() as wire:
        await wire.send(_LONG_LINE + _TOKEN[: 60 * KIB])
        await wire.hold()


@attack("large heads behind a body", "300 connections on an endless event stream, then 60 KiB of a next head", 300)
async def queue_a_large_head(target: Target) -> None:
    async with target.connect() as wire:
        await wire.send(target.head("GET", "/v1/memory/events"))
        await wire.send(_LONG_LINE + _TOKEN[: 60 * KIB])
        await wire.hold()


@attack("empty lines", "10 connections, CRLF again and again where a request should begin", 10)
async def send_empty_lines(target: Target) -> None:
    async with target.connect() as wire:
        await wire.pour(b"\r\n" * (32 * KIB))


@attack("odd dates", "10 connections, If-Modified-Since with a zone that no calendar has, and Range without end", 10)
async def send_odd_conditions(target: Target) -> None:
    ranges = ",".join(f"{number}-" for number in range(1000))
    async with target.connect() as wire:
        for path in ("/", "/static/ballast.mjs", "/v1/media/none/content"):
            for line in (
                "If-Modified-Since: Sat, 01 Jan 2000 00:00:00 +99999999999999999999",
                "If-Unmodified-Since: Sat, 99 Jan 99999 99:99:99 GMT",
                f"Range: bytes={ranges}",
                "If-None-Match: " + ",".join(['"a"'] * 1000),
            ):
                await wire.send(target.head("GET", path, line))
                await wire.answer()


@attack("expectations", "50 connections, `Expect: 100-continue` and a large body announced, nothing sent", 50)
async def expect_and_wait(target: Target) -> None:
    async with target.connect() as wire:
        await wire.send(target.head("POST", "/v1/media", "Expect: 100-continue", "Content-Length: 9000000000"))
        await wire.swallow()
