"""What is counted over all children."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from app.workers.pool import WorkerPool


@dataclass(frozen=True, slots=True)
class ChildCounters:
    """See `workers.counters`."""

    started: int = 0
    died: int = 0
    recycled: int = 0
    calls: int = 0
    retried: int = 0

    def plus(self, pools: Iterable[WorkerPool]) -> ChildCounters:
        """Return the sums with what these pools counted."""
        total = self
        for pool in pools:
            crew, calls = pool.statistics, pool.counters
            total = ChildCounters(
                total.started + crew.started,
                total.died + crew.died,
                total.recycled + crew.recycled,
                total.calls + calls.calls,
                total.retried + calls.retried,
            )
        return total
