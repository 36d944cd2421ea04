from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.table import Measure, percentile, print_comparison, print_measures


def test_a_table_is_markdown_with_columns_of_equal_width(capsys: pytest.CaptureFixture[str]) -> None:
    measures = [
        Measure("idle", [60.0, 62.0, 61.0], "MB", 64),
        Measure("a longer name", [1.25, 1.5], "s", 1.0, 2),
        Measure("free", [5], "MB", digits=0),
    ]

    print_measures(measures)

    assert capsys.readouterr().out.splitlines() == [
        "| measured      |    median [min..max] |   target | verdict |",
        "|---------------|---------------------:|---------:|--------:|",
        "| idle          | 61.0 [60.0..62.0] MB | <= 64 MB |     met |",
        "| a longer name |  1.38 [1.25..1.50] s |   <= 1 s |  MISSED |",
        "| free          |          5 [5..5] MB |          |         |",
    ]


def test_the_verdict_is_on_the_median() -> None:
    assert Measure("lag", [1, 2, 90], "ms", 2).verdict == "met"
    assert Measure("lag", [1, 3, 90], "ms", 2).verdict == "MISSED"


@given(st.lists(st.floats(-1e9, 1e9), min_size=1), st.floats(0, 100))
def test_a_percentile_is_a_value_that_enough_others_do_not_exceed(values: list[float], percent: float) -> None:
    found = percentile(values, percent)

    assert found in values
    assert sum(value <= found for value in values) >= len(values) * percent / 100 - 1e-6
    assert sum(value < found for value in values) < max(1, len(values) * percent / 100 + 1e-6)


def test_a_percentile_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="no values"):
        percentile([], 95)


def test_another_checkout_is_compared_within_rounds_and_a_ratio_to_nothing_is_left_out(
    capsys: pytest.CaptureFixture[str],
) -> None:
    ours = [Measure("idle", [60.0, 66.0], "MB"), Measure("kept", [1.0, 2.0], "MB")]
    others = [Measure("idle", [60.0, 60.0], "MB"), Measure("kept", [0.0, 0.0], "MB")]

    print_comparison(ours, others)

    assert capsys.readouterr().out.splitlines()[2:] == [
        "| idle     |       63.0 MB |   60.0 MB |     1.050 [1.000..1.100] |",
        "| kept     |        1.5 MB |    0.0 MB |                          |",
    ]
