"""Tests of the pressure level: thresholds, hysteresis, the host, PSI, and what must hold for any input."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.pressure import PressureLevel
from app.memory.cgroup import Psi
from app.memory.gauge import MemorySample
from app.memory.pressure import PressureMonitor
from app.settings import MemorySettings
from tests.memory.control_groups import MIB

LOW, MODERATE, HIGH, CRITICAL = PressureLevel
LIMIT = 1000 * MIB


def _sample(
    share: float, *, host_available: int | None = 8000 * MIB, some_avg10: float = 0.0, host_psi: bool = False
) -> MemorySample:
    return MemorySample(
        working_set_bytes=round(share * LIMIT),
        limit_bytes=LIMIT,
        limit_source="cgroup2",
        host_available_bytes=host_available,
        psi=Psi(some_avg10, 0.0, host_psi),
        oom_kills=0,
        oom_group=False,
        processes=(),
        sampled_at=datetime(2026, 1, 1, tzinfo=UTC),
        monotonic_seconds=0.0,
    )


SAMPLES = st.builds(
    _sample,
    st.floats(0, 1.5),
    host_available=st.none() | st.integers(0, 1000 * MIB),
    some_avg10=st.floats(0, 100),
)


@pytest.mark.parametrize(
    ("share", "level"),
    [(0.0, LOW), (0.699, LOW), (0.70, MODERATE), (0.80, HIGH), (0.899, HIGH), (0.90, CRITICAL), (1.2, CRITICAL)],
)
def test_the_thresholds_give_the_levels(share: float, level: PressureLevel) -> None:
    assert PressureMonitor(MemorySettings()).update(_sample(share)) is level


@pytest.mark.parametrize(
    ("shares", "levels"),
    [
        ((0.81, 0.79, 0.771, 0.76), (HIGH, HIGH, HIGH, MODERATE)),
        ((0.71, 0.69, 0.66), (MODERATE, MODERATE, LOW)),
        ((0.95, 0.88, 0.86, 0.10), (CRITICAL, CRITICAL, HIGH, LOW)),
        ((0.95, 0.72), (CRITICAL, MODERATE)),
        ((0.95, 0.775), (CRITICAL, HIGH)),
    ],
)
def test_a_level_is_left_below_its_threshold_less_the_hysteresis(
    shares: tuple[float, ...], levels: tuple[PressureLevel, ...]
) -> None:
    monitor = PressureMonitor(MemorySettings())

    assert tuple(monitor.update(_sample(share)) for share in shares) == levels


@pytest.mark.parametrize(
    ("available", "level"), [(501 * MIB, LOW), (499 * MIB, HIGH), (200 * MIB, HIGH), (199 * MIB, CRITICAL), (None, LOW)]
)
def test_a_host_that_is_low_raises_the_level(available: int | None, level: PressureLevel) -> None:
    monitor = PressureMonitor(MemorySettings(), physical_bytes=16_000 * MIB)

    assert monitor.update(_sample(0.1, host_available=available)) is level


def test_a_low_host_is_left_ten_percent_above_its_threshold() -> None:
    monitor = PressureMonitor(MemorySettings())

    levels = [monitor.update(_sample(0.1, host_available=mib * MIB)) for mib in (150, 210, 230, 540, 560)]

    assert levels == [CRITICAL, CRITICAL, HIGH, HIGH, LOW]


def test_a_small_machine_is_not_low_at_rest_unless_the_setting_says_so() -> None:
    idle = _sample(0.1, host_available=300 * MIB)
    small = PressureMonitor(MemorySettings(), physical_bytes=512 * MIB)
    told = PressureMonitor(MemorySettings(host_low=400 * MIB, host_critical=10 * MIB), physical_bytes=512 * MIB)

    assert (small.update(idle), told.update(idle)) == (LOW, HIGH)


def test_psi_raises_to_high_and_never_to_critical() -> None:
    monitor = PressureMonitor(MemorySettings())

    levels = [monitor.update(_sample(0.1, some_avg10=some)) for some in (19.9, 20.0, 100.0, 18.5, 17.0)]

    assert levels == [LOW, HIGH, HIGH, HIGH, LOW]


def test_a_sample_without_psi_ends_what_psi_had_raised() -> None:
    monitor = PressureMonitor(MemorySettings())
    sample = _sample(0.1)

    monitor.update(_sample(0.1, some_avg10=50.0))

    assert monitor.update(_without_psi(sample)) is LOW


def _without_psi(sample: MemorySample) -> MemorySample:
    fields = {name: getattr(sample, name) for name in MemorySample.__dataclass_fields__}
    return MemorySample(**{**fields, "psi": None})


def test_the_reasons_name_every_signal_that_asks_for_the_level() -> None:
    monitor = PressureMonitor(MemorySettings())

    monitor.update(_sample(0.83, host_available=480 * MIB, some_avg10=31.0, host_psi=True))

    assert monitor.reasons == (
        "working set 0.83 of the limit",
        "host has 480 MiB available",
        "tasks on the host waited for memory 31 % of the last 10 s",
    )


def test_a_signal_below_the_level_is_no_reason_and_low_has_none() -> None:
    monitor = PressureMonitor(MemorySettings())

    monitor.update(_sample(0.75, host_available=180 * MIB))
    at_critical = monitor.reasons
    monitor.update(_sample(0.1))

    assert at_critical == ("host has 180 MiB available",)
    assert monitor.reasons == ()


def test_before_the_first_sample_the_level_is_low() -> None:
    assert PressureMonitor(MemorySettings()).level is LOW


@given(st.lists(SAMPLES), SAMPLES)
def test_a_constant_input_settles_at_once_whatever_came_before(history: list[MemorySample], last: MemorySample) -> None:
    monitor = PressureMonitor(MemorySettings())
    for sample in history:
        monitor.update(sample)

    settled = monitor.update(last)

    assert [monitor.update(last) for _ in range(3)] == [settled] * 3


@given(SAMPLES, SAMPLES)
def test_from_a_fresh_state_more_working_set_never_lowers_the_level(one: MemorySample, other: MemorySample) -> None:
    less, more = sorted((one, other), key=lambda sample: sample.working_set_bytes)
    same_host = _sample(less.pressure, host_available=more.host_available_bytes, some_avg10=_some(more))

    assert PressureMonitor(MemorySettings()).update(same_host) <= PressureMonitor(MemorySettings()).update(more)


def _some(sample: MemorySample) -> float:
    assert sample.psi is not None
    return sample.psi.some_avg10


@given(st.lists(SAMPLES), SAMPLES)
def test_the_level_is_never_below_the_fresh_one_nor_more_than_the_margin_above(
    history: list[MemorySample], last: MemorySample
) -> None:
    monitor, fresh, worse = (PressureMonitor(MemorySettings()) for _ in range(3))
    available = last.host_available_bytes
    strict = _sample(
        last.pressure + MemorySettings().hysteresis_share + 1e-6,
        host_available=None if available is None else int(available / 1.1) - 1,
        some_avg10=_some(last) / 0.9 + 1e-6,
    )
    for sample in history:
        monitor.update(sample)

    level = monitor.update(last)

    assert fresh.update(last) <= level <= worse.update(strict)


@given(st.lists(SAMPLES))
def test_a_level_has_a_reason_exactly_when_it_is_not_low(history: list[MemorySample]) -> None:
    monitor = PressureMonitor(MemorySettings())

    for sample in history:
        level = monitor.update(sample)

        assert bool(monitor.reasons) is (level is not LOW)
