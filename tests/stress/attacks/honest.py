"""An honest client beside an attack, and probes: what they are answered, and how long it takes."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from soak.http import LOST, HttpClient
from tests.media_files import photo

HANDS = "/v1/vision/hands?cache=false"

_PATIENCE_SECONDS = 5.0
_PAUSE_SECONDS = 0.05
_NEWCOMER_SECONDS = 0.25


@dataclass(slots=True)
class Photos:
    """What came of photos sent one at a time: how many were analysed in how long, and every other answer."""

    analysed: int = 0
    seconds: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)

    @property
    def rate(self) -> float:
        """Photos a second."""
        return self.analysed / self.seconds if self.seconds else 0.0


@dataclass(slots=True)
class Probes:
    """Seconds that each answer took; a probe that was not answered with 200 counts as infinite."""

    seconds: list[float] = field(default_factory=list)

    @property
    def worst(self) -> float:
        return max(self.seconds, default=0.0)

    @property
    def answered(self) -> float:
        """The part of them that was answered."""
        return sum(one < float("inf") for one in self.seconds) / max(1, len(self.seconds))


async def send_photos(port: int, seconds: float) -> Photos:
    """Send photos over one kept connection for so long; a lost one is opened again."""
    photos, picture, began = Photos(), photo("thumb_up.jpg").read(), time.monotonic()
    with contextlib.closing(HttpClient(port, _PATIENCE_SECONDS)) as client:
        while time.monotonic() - began < seconds:
            try:
                answer = await client.post(HANDS, picture, "image/jpeg")
            except LOST as error:
                photos.faults[type(error).__name__] += 1
            else:
                if answer.status == 200:
                    photos.analysed += 1
                    continue
                photos.faults[str(answer.status)] += 1
            await asyncio.sleep(_PAUSE_SECONDS)
    photos.seconds = time.monotonic() - began
    return photos


@asynccontextmanager
async def probing(port: int, every_seconds: float = _PAUSE_SECONDS) -> AsyncIterator[Probes]:
    """Ask /health/live while the block runs, over a new connection each time, as orchestrators do."""
    probes = Probes()

    async def probe() -> None:
        began = time.perf_counter()
        with contextlib.closing(HttpClient(port, _PATIENCE_SECONDS)) as client:
            try:
                status = (await client.get("/health/live")).status
            except LOST:
                status = 0
        probes.seconds.append(time.perf_counter() - began if status == 200 else float("inf"))
        await asyncio.sleep(every_seconds)

    async with _repeating(probe):
        yield probes


def newcomers(port: int) -> contextlib.AbstractAsyncContextManager[Probes]:
    """Come to the main port as a client that was not there before, four times a second."""
    return probing(port, _NEWCOMER_SECONDS)


@asynccontextmanager
async def _repeating(work: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    async def repeat() -> None:
        while True:
            await work()

    task = asyncio.create_task(repeat())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
