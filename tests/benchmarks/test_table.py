from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.table import Measure, percentile, print_measures


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
