"""Stored things: many small uploads, uploads begun and never sent, joins."""

from __future__ import annotations

from tests.samples import form, mp4, png
from tests.stress.attacks.registry import attack
from tests.stress.attacks.wire import Target, Wire

_TUS = "Tus-Resumable: 1.0.0"
_JOINED_PARTS = 500
_METADATA = "Upload-Metadata: filename " + "YWFh" * 900
_PIECE = "Content-Type: application/offset+octet-stream"


async def _created(target: Target, wire: Wire, *lines: str) -> None:
    await wire.send(target.head("POST", "/v1/uploads", _TUS, "Content-Length: 0", *lines))
    await wire.answer()


async def make_a_part(target: Target) -> None:
    """Upload one small part, and keep the path of it."""
    body = mp4(28)  # what is joined is a video by its first bytes
    async with target.connect() as wire:
        lines = (_TUS, _PIECE, "Upload-Concat: partial", f"Upload-Length: {len(body)}", f"Content-Length: {len(body)}")
        await wire.send(target.head("POST", "/v1/uploads", *lines) + body)
        head = (await wire.receive()).decode("latin-1")
        names = [line.partition(": ")[2] for line in head.split("\r\n") if line.lower().startswith("location")]
        if not names:
            raise ConnectionError("no upload could be made")
        target.prepared = names[0]


@attack("many small uploads", "20 connections, a PNG of 3 x 2 pixels by form, again and again", 20, takes_work=True)
async def upload_small(target: Target) -> None:
    body = form(("file", png()))
    async with target.connect() as wire:
        while True:
            lines = ("Content-Type: multipart/form-data; boundary=b0undary", f"Content-Length: {len(body)}")
            await wire.send(target.head("POST", "/v1/media?inline=never", *lines) + body)
            await wire.answer()


@attack("uploads that are refused", "20 connections, text and empty bodies as media, again and again", 20)
async def upload_wrong(target: Target) -> None:
    async with target.connect() as wire:
        while True:
            for body in (b"", b"text", b"<svg/>"):
                await wire.send(target.head("POST", "/v1/media", f"Content-Length: {len(body)}") + body)
                await wire.answer()


@attack("many tus creations", "20 connections, uploads of 9 GB begun and never sent", 20)
async def create_large(target: Target) -> None:
    async with target.connect() as wire:
        while True:
            await _created(target, wire, "Upload-Length: 9000000000", _METADATA)


@attack("tus creations of deferred length", "20 connections, uploads whose length is to come later", 20)
async def create_deferred(target: Target) -> None:
    async with target.connect() as wire:
        while True:
            await _created(target, wire, "Upload-Defer-Length: 1")


@attack("concat joins", "4 connections, one part of 28 bytes joined 500 times by name", 4, prepare=make_a_part)
async def join_one_part(target: Target) -> None:
    async with target.connect() as wire:
        while True:
            await _created(target, wire, "Upload-Concat: final;" + " ".join([target.prepared] * _JOINED_PARTS))


@attack("unfinished tus pieces", "100 connections, an upload each, 1 MB of a piece of 100 MB, then nothing", 100)
async def leave_a_piece(target: Target) -> None:
    async with target.connect() as wire:
        lines = (_TUS, _PIECE, "Upload-Length: 100000000", "Content-Length: 100000000")
        await wire.send(target.head("POST", "/v1/uploads", *lines))
        await wire.send(b"\x00\x00\x00\x18ftypmp42" + bytes(1_000_000))
        await wire.hold()
