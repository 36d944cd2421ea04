"""A stream over a real connection, with a real model, whose tracker is taken back when memory gets tight."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from websockets.asyncio.client import ClientConnection, connect

from app import bootstrap
from app.domain.pressure import PressureLevel
from app.main import create_app
from app.settings import MemorySettings, ModelSettings, Settings, StorageSettings, VisionSettings
from tests.e2e.pictures import thumb
from tests.leaks import Leaks
from tests.memory.gauges import LIMIT_BYTES, FakeGauge
from tests.workers.pools import until

pytestmark = [pytest.mark.model("hand_landmarker.task", "gesture_recognizer.task"), pytest.mark.photo]

LOW, HIGH = 0.1, 0.35
SHARES = {"moderate_share": 0.2, "high_share": 0.3, "critical_share": 0.4}
"""HIGH begins far below the budget, so that there is room for work."""


@dataclass
class Watched:
    """The service in this process, with a gauge that shows what the test sets."""

    gauge: FakeGauge
    house: bootstrap.House
    port: int

    async def at(self, share: float, level: PressureLevel) -> None:
        self.gauge.share = share
        await until(lambda: self.house.core.governor.level is level)

    @property
    def has_tracker(self) -> bool:
        """Whether a stream's next frame is for a tracker."""
        return any(model.key.is_tracker and model.is_ready for model in self.house.vision.vision.models)

    def reserved_for_trackers(self) -> int:
        holders = self.house.core.governor.budget.statistics().holders
        return sum(holder.reserved_bytes for holder in holders if holder.owner == "tracker:hands")


@asynccontextmanager
async def serving(app: Any) -> AsyncIterator[uvicorn.Server]:
    """Run `app` in this loop: workers are started from the main thread."""
    config = uvicorn.Config(app, port=0, lifespan="on", log_config=None, ws="websockets-sansio")
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    try:
        await until(lambda: server.started or task.done())
        yield server
    finally:
        server.should_exit = True
        await task


@pytest.fixture
async def house(tmp_path: Path, models_folder: Path, leaks: Leaks) -> AsyncIterator[Watched]:
    gauge = FakeGauge()
    settings = Settings(
        memory=MemorySettings(limit=LIMIT_BYTES, sample_seconds=0.02, fast_sample_seconds=0.02, **SHARES),
        storage=StorageSettings(root=tmp_path / "var", allow_tmpfs=True, free_floor=0),
        models=ModelSettings(dir=models_folder),
        vision=VisionSettings(workers=1),
    )
    async with serving(create_app(settings, gauge=gauge.as_gauge)) as server:
        house = bootstrap.House(**server.lifespan.state)
        leaks.watch(house.core.governor.budget)
        yield Watched(gauge, house, server.servers[0].sockets[0].getsockname()[1])


async def result_of(stream: ClientConnection) -> dict[str, Any]:
    """Send frames until one is analysed; those that are skipped on purpose are passed over."""
    for _ in range(10):
        await stream.send(thumb())
        async with asyncio.timeout(10):
            message: dict[str, Any] = json.loads(await stream.recv())
        if message["type"] != "skipped":
            return message
    raise AssertionError("every frame is skipped")


def wrist(result: dict[str, Any]) -> tuple[float, float]:
    """Return where the one hand's wrist is."""
    assert result["type"] == "result", result
    (hand,) = result["detections"]
    return hand["landmarks"][0]["x"], hand["landmarks"][0]["y"]


@pytest.mark.slow
async def test_a_stream_goes_on_when_its_tracker_is_taken_back_and_given_again(house: Watched) -> None:
    trackers = house.house.vision.vision.trackers
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{house.port}", timeout=30) as client:
        alone = (await client.post("/v1/vision/hands?cache=false", content=thumb())).raise_for_status().json()

    async with connect(f"ws://127.0.0.1:{house.port}/v1/vision/hands/stream") as stream:
        assert json.loads(await stream.recv())["type"] == "ready"
        await result_of(stream)  # with this frame the tracker begins to load
        await until(lambda: house.has_tracker)
        tracked = await result_of(stream)
        while_low = (trackers.count, house.reserved_for_trackers())

        await house.at(HIGH, PressureLevel.HIGH)
        shared = await result_of(stream)
        await until(lambda: house.reserved_for_trackers() == 0)
        while_high = trackers.count

        await house.at(LOW, PressureLevel.LOW)
        while not house.has_tracker:  # the stream asks again after ten seconds
            await result_of(stream)
            await asyncio.sleep(0.05)
        again = await result_of(stream)
    await until(lambda: trackers.count == 0)

    hands = house.house.vision.vision.tasks["hands"]
    assert (while_low, while_high) == ((1, hands.tracker_bytes), 0)
    assert [one["mode"] for one in (tracked, shared, again)] == ["FULL_QUALITY", "MEMORY_OPTIMIZED", "FULL_QUALITY"]
    assert (shared["analyzedWidth"], tracked["analyzedWidth"]) == (alone["analyzedWidth"] // 2, alone["analyzedWidth"])
    for result in (tracked, shared, again):
        for found, expected in zip(wrist(result), (0.257, 0.733), strict=True):
            assert abs(found - expected) < 0.05
    assert house.house.vision.vision.models.counters.died == 0
