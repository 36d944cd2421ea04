"""How work would be done at the present pressure."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.domain.analysis_size import AnalysisSize
from app.domain.pressure import POLICIES, PressureLevel
from app.domain.priority import Priority
from app.domain.units import MIB
from app.memory.governor import Governor
from app.settings import ImageSettings, VisionSettings
from app.status.advice import Advisor
from app.vision.analysis import Analysis
from app.vision.remembered import RememberedResults
from app.vision.vision import Vision
from tests.memory.gauges import FakeGauge, make_governor

WORKERS = 4
SHARES = {
    PressureLevel.LOW: 0.1, PressureLevel.MODERATE: 0.75, PressureLevel.HIGH: 0.84, PressureLevel.CRITICAL: 0.92,
}  # fmt: skip


@pytest.fixture
def gauge() -> FakeGauge:
    return FakeGauge()


@pytest.fixture
async def governor(tmp_path: Path, gauge: FakeGauge) -> AsyncIterator[Governor]:
    governor = make_governor(tmp_path, gauge)
    yield governor
    await governor.aclose()


@pytest.fixture
def advisor(governor: Governor) -> Advisor:
    analysis = Analysis(
        cast("Vision", None), governor, VisionSettings(), ImageSettings(), cast("RememberedResults", None)
    )
    return Advisor(governor, analysis, WORKERS)


def at(governor: Governor, gauge: FakeGauge, level: PressureLevel) -> None:
    gauge.share = SHARES[level]
    governor.measure()
    assert governor.level is level


@pytest.mark.parametrize(
    ("level", "workers", "analysis"),
    [
        (PressureLevel.LOW, 4, AnalysisSize(640, 480)),
        (PressureLevel.MODERATE, 4, AnalysisSize(640, 480)),
        (PressureLevel.HIGH, 2, AnalysisSize(320, 240)),
        (PressureLevel.CRITICAL, 0, AnalysisSize(320, 240)),
    ],
)
async def test_it_follows_the_table_of_the_modes(
    advisor: Advisor, governor: Governor, gauge: FakeGauge, level: PressureLevel, workers: int, analysis: AnalysisSize
) -> None:
    at(governor, gauge, level)

    advice = advisor.advise(0, 0, 0)

    policy = POLICIES[level]
    assert (advice.level, advice.mode, advice.ffmpeg_profile) == (level.name, policy.mode, policy.ffmpeg_profile)
    assert (advice.workers, advice.frame_stride) == (workers, policy.frame_stride)
    assert (advice.analysis_width, advice.analysis_height) == (analysis.width, analysis.height)


async def test_a_single_worker_stays_one_where_requests_are_served(governor: Governor, gauge: FakeGauge) -> None:
    analysis = Analysis(
        cast("Vision", None), governor, VisionSettings(), ImageSettings(), cast("RememberedResults", None)
    )
    at(governor, gauge, PressureLevel.HIGH)

    assert Advisor(governor, analysis, 1).advise(0, 0, 0).workers == 1


async def test_needed_are_the_decoded_picture_and_one_chunk(advisor: Advisor) -> None:
    advice = advisor.advise(10 * MIB, 1000, 500)

    assert advice.chunk_bytes == 10 * MIB
    assert advice.needed_bytes == 1000 * 500 * 3 + 10 * MIB
    assert advice.fits


async def test_a_small_file_is_one_chunk_and_a_large_one_many(advisor: Advisor, governor: Governor) -> None:
    assert advisor.advise(5, 0, 0).chunk_bytes == 5
    assert advisor.advise(1 << 40, 0, 0).chunk_bytes == 64 * MIB
    assert governor.budget.free_bytes // 8 > 64 * MIB  # else the line above proves less


async def test_chunks_shrink_with_what_is_free(advisor: Advisor, governor: Governor) -> None:
    taken = governor.budget.try_reserve(
        {"x": governor.budget.free_bytes - 80 * MIB}, owner="other", priority=Priority.LIVE
    )
    assert taken is not None

    some = advisor.advise(1 << 40, 0, 0)
    taken.grow({"y": 79 * MIB})
    few = advisor.advise(1 << 40, 0, 0)

    assert (some.chunk_bytes, some.fits) == (10 * MIB, True)
    assert (few.chunk_bytes, few.fits) == (1 * MIB, True)
    taken.release()


async def test_a_picture_larger_than_what_is_free_does_not_fit(advisor: Advisor, governor: Governor) -> None:
    side = 20_000

    advice = advisor.advise(0, side, side)

    assert advice.needed_bytes > governor.budget.free_bytes
    assert not advice.fits


async def test_nothing_fits_where_the_working_set_has_outgrown_the_budget(
    advisor: Advisor, governor: Governor, gauge: FakeGauge
) -> None:
    at(governor, gauge, PressureLevel.CRITICAL)
    assert governor.budget.free_bytes < 0

    advice = advisor.advise(1 << 30, 0, 0)

    assert advice.chunk_bytes == MIB
    assert not advice.fits


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 1 << 50), st.integers(0, 1 << 20), st.integers(0, 1 << 20), st.sampled_from(list(SHARES)))
async def test_the_numbers_always_agree(
    advisor: Advisor,
    governor: Governor,
    gauge: FakeGauge,
    nbytes: int,
    width: int,
    height: int,
    level: PressureLevel,
) -> None:
    gauge.share = SHARES[level]
    governor.measure()

    advice = advisor.advise(nbytes, width, height)

    assert 0 < advice.chunk_bytes <= 64 * MIB
    assert nbytes == 0 or advice.chunk_bytes <= nbytes
    assert advice.needed_bytes == width * height * 3 + advice.chunk_bytes
    assert advice.fits == (advice.needed_bytes <= governor.budget.free_bytes)
