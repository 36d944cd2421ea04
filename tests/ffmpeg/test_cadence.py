"""Regular or not: by the times of the frames themselves, not by what a container says of its rate."""

from __future__ import annotations

import pytest

from app.ffmpeg.cadence import steady_rate


@pytest.mark.parametrize("rate", [23.976, 25.0, 29.97, 59.94, 1000.0])
def test_regular_times_stay_as_they_are_also_rounded_to_milliseconds(rate: float) -> None:
    assert steady_rate([number / rate for number in range(500)]) is None
    assert steady_rate([round(number / rate, 3) for number in range(500)]) is None


def test_irregular_times_have_the_rate_of_most_frames() -> None:
    times = [number / 29.97 for number in range(300) if number % 10]

    assert steady_rate(times) == pytest.approx(29.97, abs=0.01)


def test_very_fast_irregular_frames_are_shown_at_no_more_than_sixty_a_second() -> None:
    assert steady_rate([number / 240 for number in range(900) if number % 50]) == 60.0


@pytest.mark.parametrize("times", [[], [0.0], [0.0, 0.5]])
def test_too_few_frames_tell_nothing(times: list[float]) -> None:
    assert steady_rate(times) is None
