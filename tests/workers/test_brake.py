"""Restarts are delayed, then stopped for a while, by the deaths of the last minute."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.workers.brake import RestartBrake


class Clock:
    def __init__(self) -> None:
        self.now = 50.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(("deaths", "seconds"), [(0, 0.0), (1, 0.0), (2, 0.1), (3, 0.2), (4, 0.4)])
def test_the_delay_doubles_with_each_death(deaths: int, seconds: float) -> None:
    brake = RestartBrake(Clock())

    for _ in range(deaths):
        brake.record_death()

    assert brake.backoff_seconds == pytest.approx(seconds)
    assert brake.closed_seconds == 0


def test_the_fifth_death_closes_it_until_the_first_is_a_minute_ago() -> None:
    clock = Clock()
    brake = RestartBrake(clock)
    for _ in range(5):
        brake.record_death()
        clock.now += 2

    closed_seconds = brake.closed_seconds
    clock.now += closed_seconds

    assert closed_seconds == pytest.approx(50.0)
    assert brake.closed_seconds == 0


def test_deaths_are_forgotten_after_a_minute() -> None:
    clock = Clock()
    brake = RestartBrake(clock)
    for _ in range(4):
        brake.record_death()

    clock.now += 60.0

    assert brake.backoff_seconds == 0


@given(st.lists(st.integers(0, 30), max_size=40))
def test_it_is_closed_exactly_while_the_last_minute_has_five_deaths(pauses: list[int]) -> None:
    clock = Clock()
    brake = RestartBrake(clock)
    deaths: list[float] = []

    for pause in pauses:
        clock.now += pause
        recent = [at for at in deaths if at > clock.now - 60]
        assert (brake.closed_seconds > 0) == (len(recent) >= 5)
        assert brake.closed_seconds <= 60
        brake.record_death()
        deaths.append(clock.now)


def test_crashes_on_one_input_count_once_and_those_on_different_ones_each() -> None:
    brake = RestartBrake(Clock())

    for _ in range(10):
        brake.record_death(b"one")
    open_after_one = brake.closed_seconds == 0
    for fingerprint in (b"two", b"three", b"four", b"five"):
        brake.record_death(fingerprint)

    assert open_after_one
    assert brake.closed_seconds > 0


def test_a_crash_on_no_input_is_a_cause_of_its_own() -> None:
    brake = RestartBrake(Clock())

    for _ in range(5):
        brake.record_death(None)

    assert brake.closed_seconds > 0


def test_an_input_counts_again_when_its_first_crash_is_a_minute_ago() -> None:
    clock = Clock()
    brake = RestartBrake(clock)
    for number in range(4):
        brake.record_death(bytes([number]))
    clock.now += 60.0

    for number in range(5):
        brake.record_death(bytes([number]))

    assert brake.closed_seconds == pytest.approx(60.0)
