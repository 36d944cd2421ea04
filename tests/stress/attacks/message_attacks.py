"""What a stream can be sent as text, and what it costs to answer it."""

from __future__ import annotations

import asyncio
import base64
import json
from functools import cache

from app.domain.units import KIB
from tests.media_files import photo
from tests.stress.attacks.frame_attacks import BINARY, TEXT
from tests.stress.attacks.registry import attack
from tests.stress.attacks.wire import ZEROS, Target, frame, frame_head, stream

_FILL = 6_500_000


@cache
def _picture() -> bytes:
    return photo("thumb_up.jpg").read()


@cache
def _framed(head: bytes, item: bytes, count: int, end: bytes) -> bytes:
    """Return a text frame of a message that repeats itself; it is made once, for all connections."""
    return frame(TEXT, head + item * count + end)


@cache
def _image() -> bytes:
    return b'{"type":"frame","image":"' + base64.b64encode(_picture()) + b'","id":'


async def _send_and_stay(target: Target, message: bytes) -> None:
    async with stream(target) as wire:
        await wire.send(message)
        await wire.swallow()


@attack("large ids", "12 streams, a text frame with an `id` of 6.5 MB each", 12)
async def send_a_large_id(target: Target) -> None:
    await _send_and_stay(target, _framed(_image() + b'"', b"a", _FILL, b'"}'))


@attack("large ids that are lists", "12 streams, an `id` that is a list of three million numbers", 12)
async def send_a_list_as_id(target: Target) -> None:
    await _send_and_stay(target, _framed(_image() + b"[", b"0,", _FILL // 2, b"0]}"))


@attack("JSON of empty lists in a message", "4 streams, two million empty lists in a text frame", 4)
async def send_empty_lists(target: Target) -> None:
    await _send_and_stay(target, _framed(b'{"type":"frame","id":[', b"[],", 2_000_000, b"[]]}"))


@attack("deep JSON in a message", "4 streams, six million opening brackets", 4)
async def send_brackets(target: Target) -> None:
    await _send_and_stay(target, _framed(b"", b"[", 6_000_000, b""))


@attack("text that is no message", "20 streams, small texts that are no JSON, answers read", 20)
async def send_nonsense(target: Target) -> None:
    async with stream(target) as wire:
        await wire.pour_and_swallow(frame(TEXT, b'{"type":"x"}') * 5_000)


@attack("text pings, no answer read", "20 streams, `ping` without end, no answer read", 20)
async def ping_blindly(target: Target) -> None:
    async with stream(target, receive_buffer=4 * KIB) as wire:
        await wire.pour(frame(TEXT, b'{"type":"ping"}') * 5_000)


@attack("configure flood", "20 streams, parameters changed without end", 20)
async def configure(target: Target) -> None:
    changes = [
        {"type": "configure", "maxHands": 1 + number % 2, "minConfidence": number / 500} for number in range(500)
    ]
    async with stream(target) as wire:
        await wire.pour_and_swallow(b"".join(frame(TEXT, json.dumps(one).encode()) for one in changes))


@attack("idle streams", "200 streams, opened and left alone", 200)
async def stay(target: Target) -> None:
    async with stream(target) as wire:
        await wire.swallow()


@attack("frames, no answer read", "20 streams, pictures as fast as they are taken, no answer read", 20, takes_work=True)
async def send_frames_blindly(target: Target) -> None:
    async with stream(target, receive_buffer=4 * KIB) as wire:
        await wire.pour(frame(BINARY, _picture()))


@attack("frames that are no pictures", "20 streams, 200 kB of zeros a frame, answers read", 20)
async def send_zeros(target: Target) -> None:
    async with stream(target) as wire:
        await wire.pour_and_swallow(frame(BINARY, bytes(200_000)))


@cache
def _large_and_small() -> bytes:
    return frame(BINARY, bytes(4_900_000)) + frame(BINARY, b"a") * 20


@attack("streams of changing size", "20 streams, frames of 4.9 MB and of one byte in turn", 20)
async def send_changing_sizes(target: Target) -> None:
    async with stream(target) as wire:
        await wire.pour_and_swallow(_large_and_small())


@attack("streams cut amid a frame", "20 at a time, 2 MB of a frame, then RST", 20)
async def cut_a_frame(target: Target) -> None:
    async with stream(target) as wire:
        await wire.send(frame_head(BINARY, 4_900_000))
        await wire.send(ZEROS[:2_000_000])
        await asyncio.sleep(0)
        wire.reset()
