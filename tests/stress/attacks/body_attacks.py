"""Bodies: slow, unfinished, chunked with malice."""

from __future__ import annotations

import asyncio

from app.domain.units import KIB
from tests.stress.attacks.registry import attack
from tests.stress.attacks.wire import ZEROS, Target

_UPLOAD = "/v1/media?inline=never"
_CHUNKED = ("Transfer-Encoding: chunked", "Content-Type: video/mp4")
_VIDEO = b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom"


@attack("slow bodies", "200 uploads of 1 GB, a byte each half second", 200)
async def drip_a_body(target: Target) -> None:
    async with target.connect() as wire:
        await wire.send(target.head("POST", _UPLOAD, "Content-Type: video/mp4", "Content-Length: 1000000000"))
        await wire.send(_VIDEO)
        while True:
            await wire.send(b"a")
            await asyncio.sleep(0.5)


@attack("half-open bodies", "400 photos of 4 MB, of which half comes, then nothing", 400)
async def leave_a_body_half_sent(target: Target) -> None:
    async with target.connect() as wire:
        await wire.send(target.head("POST", "/v1/vision/hands", "Content-Length: 4000000"))
        await wire.send(ZEROS[:2_000_000])
        await wire.hold()


@attack("half-open uploads", "100 uploads of 1 GB, of which 2 MB come, then nothing", 100)
async def leave_an_upload_half_sent(target: Target) -> None:
    async with target.connect() as wire:
        await wire.send(target.head("POST", _UPLOAD, "Content-Type: video/mp4", "Content-Length: 1000000000"))
        await wire.send(_VIDEO)
        await wire.send(ZEROS[:2_000_000])
        await wire.hold()


@attack("chunks of one byte", "10 chunked uploads, each chunk one byte", 10)
async def send_tiny_chunks(target: Target) -> None:
    async with target.connect() as wire:
        await wire.send(target.head("POST", _UPLOAD, *_CHUNKED))
        await wire.send(b"%x\r\n%b\r\n" % (len(_VIDEO), _VIDEO))
        await wire.pour(b"1\r\na\r\n" * 20_000)


@attack("tiny chunks of a photo", "20 photos in chunks of one byte", 20)
async def send_a_photo_in_tiny_chunks(target: Target) -> None:
    async with target.connect() as wire:
        await wire.send(target.head("POST", "/v1/vision/hands", "Transfer-Encoding: chunked"))
        await wire.pour_and_swallow(b"1\r\na\r\n" * 20_000)


@attack("oversized chunk sizes", "20 connections, chunks of FFFFFFFFFFFFFFFF bytes, and sizes of 64 KiB of digits", 20)
async def send_oversized_sizes(target: Target) -> None:
    for size in (b"FFFFFFFFFFFFFFFF", b"FFFFFFFFFFFFFFFFF", b"7FFFFFFFFFFFFFFF", b"0" * 64 * KIB + b"5", b"-5", b"+5"):
        async with target.connect() as wire:
            await wire.send(target.head("POST", _UPLOAD, *_CHUNKED))
            await wire.send(size + b"\r\n" + _VIDEO + bytes(256 * KIB))
            await asyncio.sleep(0.1)


@attack("endless chunk extensions", "10 connections, a chunk with an extension without end", 10)
async def send_extensions(target: Target) -> None:
    async with target.connect() as wire:
        await wire.send(target.head("POST", _UPLOAD, *_CHUNKED))
        await wire.send(b"5;name=")
        await wire.pour(b"a" * 64 * KIB)


@attack("large chunk extensions", "10 connections, each byte of a body with an extension of 8 KiB", 10)
async def send_many_extensions(target: Target) -> None:
    async with target.connect() as wire:
        await wire.send(target.head("POST", _UPLOAD, *_CHUNKED))
        await wire.pour((b"1;name=" + b"a" * 8 * KIB + b"\r\na\r\n") * 8)


@attack("endless trailers", "one connection, an empty chunked body, then trailers without end", 1)
async def send_trailers(target: Target) -> None:
    async with target.connect() as wire:
        await wire.send(target.head("POST", _UPLOAD, *_CHUNKED))
        await wire.send(b"0\r\n")
        await wire.pour(b"name: value\r\n" * 5_000)


@attack("compressed bodies", "20 connections, bodies that say they are gzip, deflate or br", 20)
async def send_compressed(target: Target) -> None:
    for coding in ("gzip", "deflate", "br", "gzip, gzip, gzip"):
        async with target.connect() as wire:
            lines = (f"Content-Encoding: {coding}", "Content-Length: 300000")
            await wire.send(target.head("POST", "/v1/vision/hands", *lines))
            await wire.send(b"\x1f\x8b\x08\x00" + bytes(299_996))
            await wire.answer()


@attack("bodies nobody wants", "10 connections, 4 MB to paths that take no body", 10)
async def send_unwanted(target: Target) -> None:
    for path in ("/nothing/here", "/v1/limits", "/health/live"):
        async with target.connect() as wire:
            await wire.send(target.head("POST", path, "Content-Length: 4000000"))
            await wire.send(ZEROS[:4_000_000])
            await wire.swallow()
