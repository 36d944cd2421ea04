"""Requests behind requests, before anything was answered."""

from __future__ import annotations

from tests.stress.attacks.registry import attack
from tests.stress.attacks.wire import Target

_MANY = b"GET / HTTP/1.1\r\n\r\n" * 14_000
_LARGE_ANSWERS = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 5_000
_BODIES = b"POST /v1/vision/hands HTTP/1.1\r\nHost: localhost\r\nContent-Length: 20\r\n\r\n" + bytes(20)


@attack("pipeline, nothing read", "one connection, 14,000 requests in each write, no answer read", 1)
async def pipeline_blindly(target: Target) -> None:
    async with target.connect() as wire:
        await wire.pour(_MANY)


@attack("pipeline, answers read", "one connection, 14,000 requests in each write, answers read", 1)
async def pipeline_and_read(target: Target) -> None:
    async with target.connect() as wire:
        await wire.pour_and_swallow(_MANY)


@attack(
    "pipeline of large answers", "20 connections, 5,000 times `GET /openapi.json` in each write, no answer read", 20
)
async def pipeline_large_answers(target: Target) -> None:
    async with target.connect() as wire:
        await wire.pour(_LARGE_ANSWERS)


@attack("pipeline behind an event stream", "20 connections, an answer without end, then requests behind it", 20)
async def pipeline_behind_events(target: Target) -> None:
    async with target.connect() as wire:
        await wire.send(target.head("GET", "/v1/memory/events"))
        await wire.pour(_MANY)


@attack("pipeline of bodies", "10 connections, photos of 20 bytes one behind the other, answers read", 10)
async def pipeline_bodies(target: Target) -> None:
    async with target.connect() as wire:
        await wire.pour_and_swallow(_BODIES * 2_000)
