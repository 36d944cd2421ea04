"""Connections themselves: many, idle, half-closed, reset."""

from __future__ import annotations

import asyncio

from tests.stress.attacks.registry import attack
from tests.stress.attacks.wire import ZEROS, Target

_PHOTO_BYTES = 100_000


@attack("idle connections", "600 connections, not a byte on any", 600)
async def stay_silent(target: Target) -> None:
    async with target.connect() as wire:
        await wire.swallow()


@attack("idle keep-alive", "600 connections, one `GET /health/live` each, then silence", 600)
async def stay_after_one_answer(target: Target) -> None:
    async with target.connect() as wire:
        await wire.send(target.head("GET", "/health/live"))
        await wire.swallow()


@attack("half-closed", "200 connections, half of a body, then FIN and no end", 200)
async def close_one_half(target: Target) -> None:
    async with target.connect() as wire:
        await wire.send(target.head("POST", "/v1/vision/hands", f"Content-Length: {_PHOTO_BYTES}"))
        await wire.send(ZEROS[: _PHOTO_BYTES // 2])
        wire.half_close()
        await wire.hold()


@attack("reset storm", "20 connections at a time, a request, then RST before the answer", 20)
async def reset_before_the_answer(target: Target) -> None:
    async with target.connect() as wire:
        await wire.send(target.head("GET", "/openapi.json"))
        wire.reset()
    await asyncio.sleep(0)


@attack("reset bodies", "20 connections at a time, 1 MB of a body of 4 MB, then RST", 20)
async def reset_amid_a_body(target: Target) -> None:
    async with target.connect() as wire:
        await wire.send(target.head("POST", "/v1/vision/hands", "Content-Length: 4000000"))
        await wire.send(ZEROS[:1_000_000])
        wire.reset()


@attack("connect storm", "50 connections at a time, closed as soon as they are open", 50)
async def connect_and_leave(target: Target) -> None:
    async with target.connect():
        await asyncio.sleep(0)


@attack("request storm", "50 connections at a time, `GET /v1/limits` and the answer, a new connection each", 50)
async def ask_once(target: Target) -> None:
    async with target.connect() as wire:
        await wire.send(target.head("GET", "/v1/limits", "Connection: close"))
        await wire.answer()
