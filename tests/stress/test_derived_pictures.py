"""Pictures of 12 MP are made smaller in a small group, four at a time, beside one stream."""

from __future__ import annotations

import asyncio
import io
import logging
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from typing import Any

import pytest
from PIL import Image

from app.domain.units import MIB
from benchmarks.frame_stream import FrameStream
from benchmarks.media import extract_frames
from soak.http import HttpClient, pause_seconds
from tests.media_files import photo
from tests.stress.films import HAND
from tests.stress.running import Stand, Subject, summary

logger = logging.getLogger(__name__)

pytestmark = [pytest.mark.model, pytest.mark.photo]

MOST_BYTES = 270 * MIB
IN_FLIGHT = 4

_SIZE = (4000, 3000)
_SAVED: tuple[tuple[str, dict[str, Any]], ...] = (
    ("JPEG", {"quality": 90}),
    ("JPEG", {"quality": 90, "progressive": True}),
    ("WEBP", {"quality": 85, "method": 0}),
    ("JPEG", {"quality": 75, "subsampling": 0}),
)
_FORMATS = ("jpeg", "jpeg", "webp", "png")
_ATTEMPTS = 30
_LOOK_SECONDS = 0.05


@dataclass(slots=True)
class Load:
    """What came of it: answers by status, and the most that the group held."""

    answers: Counter[str] = field(default_factory=Counter)
    most_bytes: int = 0


@pytest.mark.parametrize(
    "count",
    [
        pytest.param(60, marks=pytest.mark.timeout(300)),
        pytest.param(1000, marks=[pytest.mark.stress, pytest.mark.timeout(3600)]),
    ],
)
async def test_every_picture_of_12_mp_is_answered_within_300_mib_beside_a_stream(stand: Stand, count: int) -> None:
    pictures = await asyncio.to_thread(_pictures)
    frames = await asyncio.to_thread(extract_frames, HAND, 640, 360)
    async with stand.serve() as subject:
        ids = [await _store(subject, picture) for picture in pictures]
        address = f"ws://127.0.0.1:{subject.service.port}/v1/vision/hands/stream"
        async with FrameStream(address, frames).sending() as stream, _watched(subject) as load:
            await _derive(subject, _wishes(ids, count), load)

        told = f"at most {load.most_bytes / MIB:.0f} MiB, {len(stream.lags)} of {stream.sent} frames"
        report = f"{dict(load.answers)}, {told}; {summary(await subject.memory())}"
        logger.info(report)
        assert load.answers == {"200": count}, report
        assert load.most_bytes <= MOST_BYTES, report
        assert stream.lags, stream.faults
        assert subject.group.oom_kills() == 0


def _pictures() -> list[bytes]:
    with Image.open(io.BytesIO(photo("two_hands_pose.jpg").read())) as opened:
        large = opened.convert("RGB").resize(_SIZE, Image.Resampling.BICUBIC)
    encoded = []
    for name, options in _SAVED:
        buffer = io.BytesIO()
        large.save(buffer, name, **options)
        encoded.append(buffer.getvalue())
    return encoded


async def _store(subject: Subject, picture: bytes) -> str:
    answer = await subject.client.post("/v1/media?inline=never", picture)
    assert answer.status == 201, answer.json()
    media_id: str = answer.json()["id"]
    return media_id


def _wishes(ids: list[str], count: int) -> Iterator[str]:
    """Give addresses, none twice: nothing comes out of the cache."""
    for number in range(count):
        name = _FORMATS[number // len(ids) % len(_FORMATS)]
        yield f"/v1/media/{ids[number % len(ids)]}/image?width={800 - number // len(ids)}&format={name}"


async def _derive(subject: Subject, wishes: Iterator[str], load: Load) -> None:
    async def work() -> None:
        with closing(subject.connect()) as client:
            for path in wishes:
                load.answers[await _answer(client, path)] += 1

    async with asyncio.TaskGroup() as tasks:
        for _ in range(IN_FLIGHT):
            tasks.create_task(work())


async def _answer(client: HttpClient, path: str) -> str:
    """Return what becomes of a picture, which is asked for again when the service says so."""
    outcome = ""
    for _ in range(_ATTEMPTS):
        answer = await client.get(path)
        outcome = "200" if answer.status == 200 else f"{answer.status} {answer.json()['code']}"
        if answer.status != 503:
            break
        await asyncio.sleep(pause_seconds(answer))
    return outcome


@asynccontextmanager
async def _watched(subject: Subject) -> AsyncIterator[Load]:
    load, running = Load(), True

    async def look() -> None:
        while running:
            load.most_bytes = max(load.most_bytes, subject.group.working_set_bytes())
            await asyncio.sleep(_LOOK_SECONDS)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(look())
        try:
            yield load
        finally:
            running = False
