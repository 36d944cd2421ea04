"""WebSocket frames: unfinished, fragmented, without payload, with bits that nobody agreed on."""

from __future__ import annotations

import asyncio

from app.domain.units import KIB
from tests.stress.attacks.registry import attack
from tests.stress.attacks.wire import ZEROS, Target, frame, frame_head, handshake, stream

TEXT, BINARY, PING, PONG, CLOSE, CONTINUATION = 1, 2, 9, 10, 8, 0
_RSV1 = 0x40
_FRAME_BYTES = 4_900_000
_EMPTY_BINARY, _EMPTY_TEXT = frame(BINARY, b"") * 30_000, frame(TEXT, b"") * 30_000
_PINGS, _PONGS = frame(PING, bytes(125)) * 2_000, frame(PONG, b"") * 20_000


@attack("unfinished frames", "60 streams, 4.7 MB of a frame of 4.9 MB, then nothing", 60)
async def leave_a_frame_half_sent(target: Target) -> None:
    async with stream(target) as wire:
        await wire.send(frame_head(BINARY, _FRAME_BYTES))
        await wire.send(ZEROS[:4_700_000])
        await wire.hold()


@attack("slow frames", "60 streams, a frame of 4.9 MB at 32 bytes each half second", 60)
async def drip_a_frame(target: Target) -> None:
    async with stream(target) as wire:
        await wire.send(frame_head(BINARY, _FRAME_BYTES))
        while True:
            await wire.send(bytes(32))
            await asyncio.sleep(0.5)


@attack("frames that say they are huge", "20 streams, heads of 2^62 and 100 MB, then bytes", 20)
async def announce_huge_frames(target: Target) -> None:
    for size in (1 << 62, 100_000_000, (1 << 63) + 5):
        async with stream(target) as wire:
            await wire.send(frame_head(BINARY, size))
            for _ in range(40):
                await wire.send(ZEROS[: 256 * KIB])


@attack("empty messages", "20 streams, 30,000 empty messages in each write", 20)
async def send_empty_messages(target: Target) -> None:
    async with stream(target) as wire:
        await wire.pour(_EMPTY_BINARY)


@attack("empty messages, answers read", "20 streams, the same, and what is answered is read", 20)
async def send_empty_messages_and_read(target: Target) -> None:
    async with stream(target) as wire:
        await wire.pour_and_swallow(_EMPTY_TEXT)


@attack("ping flood", "20 streams, pings of 125 bytes without end, no pong read", 20)
async def flood_with_pings(target: Target) -> None:
    async with stream(target, receive_buffer=4 * KIB) as wire:
        await wire.pour(_PINGS)


@attack("pong flood", "20 streams, pongs that nobody asked for, without end", 20)
async def flood_with_pongs(target: Target) -> None:
    async with stream(target) as wire:
        await wire.pour(_PONGS)


@attack("fragment flood", "20 streams, one message in fragments of one byte", 20)
async def flood_with_fragments(target: Target) -> None:
    async with stream(target) as wire:
        await wire.send(frame(BINARY, b"a", last=False))
        await wire.pour(frame(CONTINUATION, b"a", last=False) * 10_000)


@attack("empty fragments", "20 streams, one message in empty fragments without end", 20)
async def flood_with_empty_fragments(target: Target) -> None:
    async with stream(target) as wire:
        await wire.send(frame(BINARY, b"", last=False))
        await wire.pour(frame(CONTINUATION, b"", last=False) * 10_000)


@attack("unfinished fragments", "60 streams, 4.7 MB of a message in fragments of 64 KiB, no last one", 60)
async def leave_fragments(target: Target) -> None:
    async with stream(target) as wire:
        await wire.send(frame(BINARY, bytes(64 * KIB), last=False))
        for _ in range(70):
            await wire.send(frame(CONTINUATION, bytes(64 * KIB), last=False))
        await wire.hold()


@attack("deflate", "20 streams that offer permessage-deflate, frames that say they are compressed", 20)
async def send_compressed_frames(target: Target) -> None:
    async with stream(target, "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits") as wire:
        await wire.send(frame(BINARY, b"\xec\xc1\x01\x01\x00\x00" + b"\x00" * 60_000, reserved=_RSV1))
        await wire.receive()


@attack(
    "broken frames", "20 streams, reserved bits, unknown opcodes, no mask, bad UTF-8, long pings, bad close codes", 20
)
async def send_broken_frames(target: Target) -> None:
    for data in (
        frame(BINARY, b"a", reserved=0x70), frame(5, b"a"), b"\x82\x01a", frame(TEXT, b"\xff\xfe"),
        frame(PING, bytes(126)), frame(PING, b"", last=False), frame(CONTINUATION, b"a"), frame(CLOSE, b"\x00"),
        frame(CLOSE, b"\x03\xed"), frame(TEXT, b"a", last=False) + frame(TEXT, b"b"),
    ):  # fmt: skip
        async with stream(target) as wire:
            await wire.send(data)
            await wire.receive()


@attack(
    "handshake storm", "30 at a time: upgrades that are wrong, and streams that are left as soon as they are open", 30
)
async def open_and_leave(target: Target) -> None:
    for request in (
        handshake(target),
        handshake(target, path="/v1/vision/hands/stream?maxHands=x"),
        handshake(target, path="/v1/nothing"),
        handshake(target).replace(b"Version: 13", b"Version: 8"),
        handshake(target).replace(b"GET", b"POST"),
        handshake(target).replace(b"dGhlIHNhbXBsZSBub25jZQ==", b"x"),
    ):
        async with target.connect() as wire:
            await wire.send(request)
            await wire.receive()
