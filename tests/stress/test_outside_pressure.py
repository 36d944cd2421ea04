"""Pressure that the service did not make: the level rises, the modes act in order, and everything comes back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from websockets.asyncio.client import connect

from app.domain.units import MIB
from soak.cgroup import MemoryGroup
from tests.media_files import photo
from tests.stress.eater import Eater
from tests.stress.running import HANDS, Caller, Stand, Subject, summary

pytestmark = [pytest.mark.model, pytest.mark.photo]

LEVELS = ("LOW", "MODERATE", "HIGH", "CRITICAL")
_SHARES = {"MODERATE": 0.72, "HIGH": 0.81, "CRITICAL": 0.92}
"""Shares of the limit, a little above the thresholds of the levels."""

_STEP_MIB = 8
_NEAR_MIB = 2
"""Photos that come and go move the working set by so much on a busy machine."""


async def test_pressure_from_outside_is_answered_step_by_step_and_recovery_is_automatic(
    stand: Stand, group: MemoryGroup
) -> None:
    async with stand.serve() as subject:
        before = await subject.footprint()
        caller, told = Caller(subject), list[str]()
        await caller.send(4)
        listening = asyncio.create_task(_listen(subject, told))
        stream = asyncio.create_task(_stream(subject))
        async with Eater.inside(group) as eater, caller.sending():
            await _raise_to(subject, eater, "MODERATE")
            await _answered_with(caller, "BALANCED", lambda: _follow(subject, eater, "MODERATE"))

            await _raise_to(subject, eater, "HIGH")
            await _answered_with(caller, "MEMORY_OPTIMIZED", lambda: _follow(subject, eater, "HIGH"))
            assert min(caller.widths) <= 320 < max(caller.widths)

            await _raise_to(subject, eater, "CRITICAL")
            await _assert_critical(subject)

            await eater.hold(0)
            await subject.until(lambda report: report["level"] == "LOW", seconds=45)
            assert (await subject.client.get("/health/ready")).status == 200
            caller.modes.clear()
            await _answered_with(caller, "FULL_QUALITY", lambda: eater.hold(0))
        stream.cancel()
        frames = await asyncio.gather(stream, return_exceptions=True)
        listening.cancel()

        assert isinstance(frames[0], asyncio.CancelledError), f"the stream was lost: {frames[0]!r}"
        assert [level for level in told if level == "CRITICAL"]
        assert _in_order(told), told
        assert caller.lost == []
        assert caller.bad == []
        assert group.oom_kills() == 0
        await subject.assert_nothing_is_left(before)


async def _raise_to(subject: Subject, eater: Eater, level: str) -> None:
    """Have the eater fill the group up to a little above the level's threshold, and follow what the service frees."""
    for _ in range(120):
        missing_mib = await _follow(subject, eater, level)
        if abs(missing_mib) <= _NEAR_MIB and _has_settled(await subject.memory(), level):
            return
        await asyncio.sleep(0.25 if missing_mib < _STEP_MIB else 0.05)
    raise AssertionError(f"{level} was not reached: {summary(await subject.memory())}")


async def _follow(subject: Subject, eater: Eater, level: str) -> int:
    """Have the eater take or leave what is missing to the level; return how many MiB that were."""
    wanted_bytes = _SHARES[level] * subject.group.limit_bytes
    missing_mib = round((wanted_bytes - subject.group.working_set_bytes()) / MIB)
    await eater.hold(max(0, eater.held_mib + min(missing_mib, _STEP_MIB)))
    return missing_mib


def _has_settled(report: dict[str, Any], level: str) -> bool:
    """Whether this is the level, and will be: at CRITICAL the workers go, and while one is going more is freed."""
    workers = [process for process in report["processes"] if process["role"] == "vision"]
    return report["level"] == level and (level != "CRITICAL" or not workers)


async def _answered_with(caller: Caller, mode: str, keep: Callable[[], Awaitable[object]], seconds: float = 15) -> None:
    """Wait until a photo was answered in this mode; `keep` keeps up the pressure meanwhile."""
    try:
        async with asyncio.timeout(seconds):
            while not caller.modes[mode]:
                await keep()
                await asyncio.sleep(0.1)
    except TimeoutError:
        report = summary(await caller.subject.memory())
        raise AssertionError(f"no answer in {mode}: {caller.modes} {caller.answers} {report}") from None


async def _assert_critical(subject: Subject) -> None:
    client = subject.connect()
    try:
        ready = await client.get("/health/ready")
        live = await client.get("/health/live")
        refused = await client.post(HANDS, photo("thumb_up.jpg").read(), "image/jpeg")
    finally:
        client.close()
    assert ready.status == 503
    assert any("memory" in reason for reason in ready.json()["reasons"])
    assert live.status == 200
    assert (refused.status, refused.json()["code"]) == (503, "overloaded")
    assert int(refused.headers["retry-after"]) >= 1


async def _listen(subject: Subject, told: list[str]) -> None:
    client = subject.connect()
    async for event in client.events("/v1/memory/events"):
        told.append(event["level"])


async def _stream(subject: Subject) -> None:
    """Send frames and read answers for ever; raises where the connection ends."""
    address = f"ws://127.0.0.1:{subject.service.port}/v1/vision/hands/stream"
    frame = photo("thumb_up.jpg").read()
    async with connect(address, compression=None, max_size=16 * MIB) as connection:
        await connection.recv()
        while True:
            await connection.send(frame)
            answer = json.loads(await connection.recv())
            assert answer["type"] in ("result", "skipped") or answer["code"] in ("overloaded", "queue_full"), answer
            await asyncio.sleep(0.1)


def _in_order(told: list[str]) -> bool:
    """Whether MODERATE was told before HIGH, and HIGH before CRITICAL, when they first came."""
    first = [told.index(level) for level in LEVELS[1:] if level in told]
    return first == sorted(first)
