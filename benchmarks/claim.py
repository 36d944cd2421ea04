"""Something that is to hold of the median of some values."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from benchmarks.table import print_table, span


@dataclass(frozen=True, slots=True)
class Claim:
    """`target` is the most that the median may be, or the least where it is `at_least` that."""

    name: str
    values: Sequence[float]
    unit: str
    target: float
    at_least: bool = False
    digits: int = 2

    @property
    def holds(self) -> bool:
        median = statistics.median(self.values)
        return median >= self.target if self.at_least else median <= self.target

    def row(self) -> list[str]:
        sign = ">=" if self.at_least else "<="
        values = span(self.values, self.digits) if len(self.values) > 1 else f"{self.values[0]:.{self.digits}f}"
        measured = f"{values} {self.unit}".strip()
        target = f"{sign} {self.target:.{self.digits}f} {self.unit}".strip()
        return [self.name, measured, target, "met" if self.holds else "MISSED"]


def print_claims(claims: Iterable[Claim]) -> None:
    """Print one row a claim: median [lowest..highest] where there are several, target, verdict."""
    print_table(["measured", "median [min..max]", "target", "verdict"], [one.row() for one in claims])
