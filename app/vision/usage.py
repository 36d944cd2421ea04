"""Which models are in use, and since when the others are not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class ModelUsage:
    """Counts leases by task."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._leases: Counter[str] = Counter()
        self._last_used: dict[str, float] = {}

    @contextmanager
    def lease(self, task: str) -> Iterator[None]:
        """Mark the task as used for the block."""
        self._leases[task] += 1
        try:
            yield
        finally:
            self._leases[task] -= 1
            self._last_used[task] = self._clock()

    def idle_seconds(self, task: str) -> float:
        """Return for how long the task has not been used; 0 while it is, infinite if it never was."""
        if self._leases[task] > 0:
            return 0.0
        last = self._last_used.get(task)
        return float("inf") if last is None else self._clock() - last
