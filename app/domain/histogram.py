"""A histogram as Prometheus has it: how many observations were at most so large, and their sum."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import accumulate

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Bounds for what a client waits for: Prometheus' defaults, and the longest that a request may take by itself."""


class Histogram:
    """Counts observations by size; one takes some 150 ns (`python -m benchmarks telemetry`)."""

    __slots__ = ("_bounds", "_counts", "total")

    def __init__(self, bounds: Sequence[float] = SECONDS) -> None:
        """`bounds` rise; above the last one there is one more bucket without a bound."""
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(self._bounds) + 1)
        self.total = 0.0
        """The sum of all that was observed."""

    def observe(self, value: float) -> None:
        """Count one observation."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self.total += value

    @property
    def count(self) -> int:
        return sum(self._counts)

    def buckets(self) -> Iterator[tuple[float, int]]:
        """Yield (bound, how many were at most that large), the last one with an infinite bound."""
        return zip((*self._bounds, float("inf")), accumulate(self._counts), strict=True)
