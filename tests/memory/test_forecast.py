"""How a forecast learns, and how fast."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.memory.forecast import Forecast

MIB = 1024 * 1024


def learn(forecast: Forecast, ratio: float, calls: int, formula_bytes: int = 20 * MIB) -> None:
    for _ in range(calls):
        forecast.observe("resize", formula_bytes, round(formula_bytes * ratio))


def test_an_operation_starts_with_its_own_formula() -> None:
    assert Forecast().predict("resize", 20 * MIB) == 20 * MIB


def test_too_little_is_put_right_at_once() -> None:
    forecast = Forecast()

    learn(forecast, 1.8, calls=1)

    assert forecast.predict("resize", 100 * MIB) == 180 * MIB


def test_what_small_ones_taught_does_not_lower_a_prediction_that_is_at_least_the_formula() -> None:
    forecast = Forecast()
    learn(forecast, 0.5, calls=100)

    assert forecast.predict("resize", 100 * MIB) < 100 * MIB
    assert forecast.predict_at_least("resize", 100 * MIB) == 100 * MIB

    learn(forecast, 1.8, calls=1)

    assert forecast.predict_at_least("resize", 100 * MIB) == 180 * MIB


@given(wrong=st.floats(0.6, 8), right=st.floats(0.6, 8))
def test_any_ratio_is_learned_within_20_calls(wrong: float, right: float) -> None:
    forecast = Forecast()
    learn(forecast, wrong, calls=30)

    learn(forecast, right, calls=20)

    assert forecast.predict("resize", 20 * MIB) == pytest.approx(20 * MIB * right, rel=0.001)


def test_too_much_is_lowered_only_after_many_calls() -> None:
    forecast = Forecast()
    learn(forecast, 2.0, calls=1)

    learn(forecast, 1.0, calls=18)
    before = forecast.predict("resize", 20 * MIB)
    learn(forecast, 1.0, calls=1)

    assert (before, forecast.predict("resize", 20 * MIB)) == (40 * MIB, 20 * MIB)


@given(ratios=st.lists(st.floats(0, 10)), formula_bytes=st.integers(0, 100 * MIB))
def test_no_prediction_is_below_the_floor(ratios: list[float], formula_bytes: int) -> None:
    forecast = Forecast(floor_bytes=6 * MIB)

    for ratio in ratios:
        learn(forecast, ratio, calls=1)

    assert forecast.predict("resize", formula_bytes) >= 6 * MIB
    assert forecast.predict("other", formula_bytes) >= 6 * MIB
    assert forecast.predict("resize", formula_bytes) >= formula_bytes * 0.5


def test_a_tiny_picture_teaches_nothing_about_a_large_one() -> None:
    forecast = Forecast(floor_bytes=4 * MIB)

    for _ in range(30):
        forecast.observe("resize", 10_000, 1 * MIB)

    assert forecast.predict("resize", 36 * MIB) == 36 * MIB


def test_a_tiny_picture_that_takes_more_than_the_floor_counts() -> None:
    forecast = Forecast(floor_bytes=4 * MIB)

    forecast.observe("resize", 10_000, 8 * MIB)

    assert forecast.predict("resize", 10_000) == 8 * MIB


def test_learning_alone_makes_nothing_impossible() -> None:
    forecast = Forecast(ceiling_bytes=lambda: 200 * MIB)

    learn(forecast, 10, calls=1)

    assert forecast.predict("resize", 100 * MIB) == 200 * MIB
    assert forecast.predict("resize", 300 * MIB) == 300 * MIB


def test_operations_learn_apart() -> None:
    forecast = Forecast()

    learn(forecast, 2.0, calls=1)

    assert forecast.predict("crop", 20 * MIB) == 20 * MIB


def test_the_statistics_show_prediction_and_observation() -> None:
    forecast = Forecast()
    forecast.predict("resize", 20 * MIB)
    learn(forecast, 1.5, calls=2)

    [seen] = forecast.statistics()

    assert (seen.operation, seen.predicted_bytes, seen.observed_bytes) == ("resize", 20 * MIB, 30 * MIB)
    assert (seen.ratio, seen.calls) == (1.5, 2)


def test_the_memory_is_bounded_and_the_least_used_is_forgotten() -> None:
    forecast = Forecast(max_operations=2)
    for operation in ("first", "second", "first", "third"):
        forecast.predict(operation, MIB)

    assert [entry.operation for entry in forecast.statistics()] == ["first", "third"]
