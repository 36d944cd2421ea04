"""When the API asks to be started again."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.domain.units import MIB
from app.memory.governor import Governor
from app.server.lifecycle import Lifecycle
from app.server.recycling import Recycler
from app.settings import MemorySettings
from tests.memory.gauges import LIMIT_BYTES, FakeGauge, make_governor
from tests.workers.pools import until

SHARE = 0.2
SMALL, LARGE = int(0.1 * LIMIT_BYTES), int(0.3 * LIMIT_BYTES)
PATIENCE = 5


@pytest.fixture
def gauge() -> FakeGauge:
    return FakeGauge()


@pytest.fixture
async def governor(tmp_path: Path, gauge: FakeGauge) -> AsyncIterator[Governor]:
    governor = make_governor(tmp_path, gauge, MemorySettings(sample_seconds=0.001))
    yield governor
    await governor.aclose()


@pytest.fixture
def lifecycle() -> Lifecycle:
    return Lifecycle()


@pytest.fixture
def recycler(governor: Governor, lifecycle: Lifecycle) -> Recycler:
    return Recycler(governor, lifecycle, SHARE)


def look(recycler: Recycler, governor: Governor, gauge: FakeGauge, resident_bytes: int) -> None:
    gauge.resident_bytes[os.getpid()] = resident_bytes
    governor.measure()
    recycler.look()


async def test_an_api_that_stays_too_large_is_recycled(
    recycler: Recycler, governor: Governor, gauge: FakeGauge, lifecycle: Lifecycle, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(PATIENCE - 1):
        look(recycler, governor, gauge, LARGE)
    assert lifecycle.recycle_reason is None

    look(recycler, governor, gauge, LARGE)

    assert lifecycle.recycle_reason == f"the API holds {LARGE} bytes"
    assert "is recycled" in caplog.text


async def test_a_burst_that_ends_by_itself_is_no_reason(
    recycler: Recycler, governor: Governor, gauge: FakeGauge, lifecycle: Lifecycle
) -> None:
    for _ in range(3):
        for _ in range(PATIENCE - 1):
            look(recycler, governor, gauge, LARGE)
        look(recycler, governor, gauge, SMALL)

    assert lifecycle.recycle_reason is None


async def test_it_is_said_once(
    recycler: Recycler, governor: Governor, gauge: FakeGauge, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3 * PATIENCE):
        look(recycler, governor, gauge, LARGE)

    assert caplog.text.count("is recycled") == 1


async def test_what_children_hold_does_not_count(
    recycler: Recycler, governor: Governor, gauge: FakeGauge, lifecycle: Lifecycle
) -> None:
    gauge.resident_bytes[1001] = LARGE

    for _ in range(2 * PATIENCE):
        look(recycler, governor, gauge, SMALL)

    assert lifecycle.recycle_reason is None


async def test_exactly_the_share_is_not_too_large(
    recycler: Recycler, governor: Governor, gauge: FakeGauge, lifecycle: Lifecycle
) -> None:
    for _ in range(2 * PATIENCE):
        look(recycler, governor, gauge, int(SHARE * LIMIT_BYTES))

    assert lifecycle.recycle_reason is None


async def test_a_share_of_zero_watches_nothing(governor: Governor, gauge: FakeGauge, lifecycle: Lifecycle) -> None:
    gauge.resident_bytes[os.getpid()] = 900 * MIB
    governor.measure()

    async with asyncio.timeout(5):
        await Recycler(governor, lifecycle, 0.0).run()  # ends at once

    assert lifecycle.recycle_reason is None


async def test_it_watches_by_itself(governor: Governor, gauge: FakeGauge, lifecycle: Lifecycle) -> None:
    gauge.resident_bytes[os.getpid()] = LARGE
    governor.measure()
    watching = asyncio.create_task(Recycler(governor, lifecycle, SHARE).run())

    async with asyncio.timeout(5):
        while lifecycle.recycle_reason is None:  # noqa: ASYNC110 - what it waits for is another task's sleep
            await asyncio.sleep(0.001)

    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)


async def test_a_look_that_fails_does_not_end_the_watching(
    governor: Governor, lifecycle: Lifecycle, caplog: pytest.LogCaptureFixture
) -> None:
    class UnluckyRecycler(Recycler):
        looks = 0

        def look(self) -> None:
            self.looks += 1
            raise RuntimeError("not foreseen")

    recycler = UnluckyRecycler(governor, lifecycle, SHARE)
    watching = asyncio.create_task(recycler.run())

    await until(lambda: recycler.looks > 1)

    assert "a look failed" in caplog.text
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
