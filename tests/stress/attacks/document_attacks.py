"""Documents that have to be parsed: JSON and forms."""

from __future__ import annotations

import asyncio
import json

from app.domain.units import KIB
from tests.stress.attacks.registry import attack
from tests.stress.attacks.wire import Target

_BATCH = "/v1/vision/hands/batch"
_MEBIBYTES_4 = 4 * 1024 * KIB
_LIST = json.dumps({"media": ["0123456789abcdef"] * (_MEBIBYTES_4 // 20 - 1)}).encode()[:_MEBIBYTES_4]
_WRONG = b'{"media":[' + b"0," * (_MEBIBYTES_4 // 2 - 20) + b"0]}"
_DEEP = b'{"media":' + b"[" * (_MEBIBYTES_4 - 100)
_EMPTY = b'{"media":[' + b"[]," * (_MEBIBYTES_4 // 3 - 20) + b"[]]}"
_KEYS = ("{" + ",".join(f'"{number:x}":0' for number in range(350_000)) + "}").encode()[:_MEBIBYTES_4]
_BOUNDARY = "b0undary"
_FORM = f"Content-Type: multipart/form-data; boundary={_BOUNDARY}"
_FIELD = b'--b0undary\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n'


async def _send_json(target: Target, body: bytes) -> None:
    async with target.connect() as wire:
        await wire.send(target.head("POST", _BATCH, "Content-Type: application/json", f"Content-Length: {len(body)}"))
        await wire.send(body)
        await wire.answer()


@attack("batch lists of 4 MB", "10 connections, 200,000 media ids in one list", 10)
async def send_a_long_list(target: Target) -> None:
    await _send_json(target, _LIST)


@attack("batch lists of wrong values", "10 connections, two million numbers where ids should be", 10)
async def send_wrong_values(target: Target) -> None:
    await _send_json(target, _WRONG)


@attack("deep JSON body", "10 connections, four million opening brackets", 10)
async def send_deep(target: Target) -> None:
    await _send_json(target, _DEEP)


@attack("JSON of empty lists", "10 connections, 1.4 million empty lists in one body", 10)
async def send_empty_lists(target: Target) -> None:
    await _send_json(target, _EMPTY)


@attack("JSON of many keys", "10 connections, 350,000 members in one object", 10)
async def send_many_keys(target: Target) -> None:
    await _send_json(target, _KEYS)


@attack("half-open batch lists", "60 connections, 3.9 MB of a list of 4 MB, then nothing", 60)
async def leave_a_list_half_sent(target: Target) -> None:
    async with target.connect() as wire:
        lines = ("Content-Type: application/json", f"Content-Length: {_MEBIBYTES_4}")
        await wire.send(target.head("POST", _BATCH, *lines))
        await wire.send(memoryview(_LIST)[:3_900_000])
        await wire.hold()


async def _pour_form(target: Target, begin: bytes, block: bytes, path: str = "/v1/media") -> None:
    async with target.connect() as wire:
        await wire.send(target.head("POST", path, _FORM, "Content-Length: 9000000000"))
        await wire.send(begin)
        await wire.pour(block)


@attack("forms of fields without end", "10 connections, small fields and never the file", 10)
async def send_fields(target: Target) -> None:
    await _pour_form(target, b"", _FIELD * 2_000)


@attack("form part with headers without end", "10 connections, a part whose headers do not end", 10)
async def send_part_headers(target: Target) -> None:
    await _pour_form(target, b"--b0undary\r\n", b"X-Name: value\r\n" * 4_000)


@attack("form preamble without end", "10 connections, lines before the first boundary", 10)
async def send_preamble(target: Target) -> None:
    await _pour_form(target, b"", b"\r\n--b0undar" * 6_000)


@attack("batch forms of tiny pictures", "4 connections, a batch of pictures of one byte without end", 4)
async def send_tiny_pictures(target: Target) -> None:
    part = b'--b0undary\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nx\r\n'
    async with target.connect() as wire:
        await wire.send(target.head("POST", _BATCH, _FORM, "Content-Length: 9000000000"))
        await wire.pour(part * 1_000)


@attack("cut batches", "20 connections, a batch of pictures, cut before the answer", 20)
async def cut_a_batch(target: Target) -> None:
    part = b'--b0undary\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + bytes(50_000) + b"\r\n"
    async with target.connect() as wire:
        await wire.send(target.head("POST", _BATCH, _FORM, "Content-Length: 9000000000"))
        await wire.send(part * 5)
        await asyncio.sleep(0.05)
        wire.reset()
