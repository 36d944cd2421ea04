from __future__ import annotations

import pytest

from benchmarks.claim import Claim, print_claims


@pytest.mark.parametrize(
    ("values", "at_least", "holds"),
    [([1.0, 2.0, 90.0], False, True), ([1.0, 4.0], False, False), ([2.5], False, False), ([2.5], True, True)],
)
def test_a_claim_is_on_the_median_and_says_which_way(values: list[float], at_least: bool, holds: bool) -> None:
    assert Claim("lag", values, "ms", 2.0, at_least).holds is holds


def test_a_single_value_is_printed_without_a_range(capsys: pytest.CaptureFixture[str]) -> None:
    claims = [Claim("answered", [98.5], "%", 99, at_least=True, digits=1), Claim("kills", [0, 0, 1], "", 0, digits=0)]

    print_claims(claims)

    assert capsys.readouterr().out.splitlines()[2:] == [
        "| answered |            98.5 % | >= 99.0 % |  MISSED |",
        "| kills    |          0 [0..1] |      <= 0 |     met |",
    ]
