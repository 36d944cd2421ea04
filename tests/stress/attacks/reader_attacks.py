"""Answers that nobody reads, or too slowly."""

from __future__ import annotations

import asyncio
import json

from app.domain.units import KIB, MIB
from tests.media_files import photo
from tests.samples import mp4
from tests.stress.attacks.registry import attack
from tests.stress.attacks.wire import Target

_SMALL_BUFFER = 4 * KIB
_STORED_BYTES = 16 * MIB


async def store_a_file(target: Target) -> None:
    """Upload what is to be read, and keep its path."""
    body = mp4(_STORED_BYTES)
    async with target.connect() as wire:
        lines = ("Content-Type: video/mp4", f"Content-Length: {len(body)}")
        await wire.send(target.head("POST", "/v1/media?inline=never", *lines))
        await wire.send(body)
        _, answer = await wire.answer()
        stored = json.loads(answer)
        if "id" not in stored:
            raise ConnectionError("nothing could be stored")
        target.prepared = stored["id"]


@attack("readers that do not read", "40 downloads of 16 MiB, nothing read", 40, prepare=store_a_file)
async def read_nothing(target: Target) -> None:
    async with target.connect(_SMALL_BUFFER) as wire:
        await wire.send(target.head("GET", f"/v1/media/{target.prepared}/content"))
        await wire.hold()


@attack("trickling readers", "100 downloads of 16 MiB, 512 bytes read each half second", 100, prepare=store_a_file)
async def read_slowly(target: Target) -> None:
    async with target.connect(_SMALL_BUFFER) as wire:
        await wire.send(target.head("GET", f"/v1/media/{target.prepared}/content"))
        while True:
            await wire.receive(512)
            await asyncio.sleep(0.5)


@attack("readers of inline answers", "40 answers with 16 MiB in base64, nothing read", 40, prepare=store_a_file)
async def read_no_inline(target: Target) -> None:
    async with target.connect(_SMALL_BUFFER) as wire:
        await wire.send(target.head("GET", f"/v1/media/{target.prepared}?inline=auto"))
        await wire.hold()


@attack("readers of documents", "300 times `GET /openapi.json`, nothing read", 300)
async def read_no_document(target: Target) -> None:
    async with target.connect(_SMALL_BUFFER) as wire:
        await wire.send(target.head("GET", "/openapi.json"))
        await wire.hold()


@attack("readers of pictures", "30 photos to be annotated, no answer read", 30, takes_work=True)
async def read_no_picture(target: Target) -> None:
    picture = photo("two_hands_pose.jpg").read()
    async with target.connect(_SMALL_BUFFER) as wire:
        path = "/v1/vision/hands?annotate=true&cache=false"
        await wire.send(target.head("POST", path, f"Content-Length: {len(picture)}"))
        await wire.send(picture)
        await wire.hold()


@attack("many event streams", "400 streams of server-sent events", 400)
async def listen(target: Target) -> None:
    async with target.connect() as wire:
        await wire.send(target.head("GET", "/v1/memory/events"))
        await wire.swallow()


@attack("event streams opened and cut", "30 at a time, cut as soon as they are open", 30)
async def listen_shortly(target: Target) -> None:
    async with target.connect() as wire:
        await wire.send(target.head("GET", "/v1/memory/events"))
        await wire.receive()
        wire.reset()
