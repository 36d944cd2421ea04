"""The refusals of the budget: the errors with their numbers, `Retry-After`, and how many there were of each."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable

from app.errors import MemoryExceedsLimit, Overloaded, QueueFull
from app.memory.rate import ReleaseRate

_MAX_RETRY_SECONDS = 60
_CLOSED_RETRY_SECONDS = 5


class Refusals:
    """Makes and counts refusals by reason: `timeout`, `closed`, `queue_full`, `memory_exceeds_limit`.

    `Retry-After` is the time in which the bytes of all waiters and of this request come back, at the rate of the last
    seconds, within 1..60 s; where nothing has been released yet it is `wait_seconds`.
    """

    def __init__(
        self,
        *,
        free_bytes: Callable[[], int],
        limit_bytes: Callable[[], int],
        waiting_bytes: Callable[[], int],
        wait_seconds: float,
        clock: Callable[[], float],
    ) -> None:
        self.rate = ReleaseRate(clock)
        self.totals: Counter[str] = Counter()
        self._free_bytes = free_bytes
        self._limit_bytes = limit_bytes
        self._waiting_bytes = waiting_bytes
        self._wait_seconds = wait_seconds

    def too_large(self, nbytes: int) -> MemoryExceedsLimit:
        """413: it needs more than can ever be given."""
        self.totals["memory_exceeds_limit"] += 1
        limit_bytes = self._limit_bytes()
        return MemoryExceedsLimit(
            f"{nbytes} bytes are needed, and at most {limit_bytes} can be given",
            neededBytes=nbytes,
            limitBytes=limit_bytes,
        )

    def timeout(self, nbytes: int) -> Overloaded:
        """503: its bytes did not become free in time."""
        self.totals["timeout"] += 1
        return self._overloaded("the bytes that are needed did not become free in time", nbytes, 1)

    def closed(self, nbytes: int) -> Overloaded:
        """503: its class is not served at this pressure, whatever is free."""
        self.totals["closed"] += 1
        return self._overloaded("memory is too tight to serve this now", nbytes, _CLOSED_RETRY_SECONDS)

    def queue_full(self, nbytes: int) -> QueueFull:
        """429: too many wait."""
        self.totals["queue_full"] += 1
        return QueueFull(
            "too many requests wait for memory",
            retry_after_seconds=self.retry_after_seconds(nbytes),
            neededBytes=nbytes,
            freeBytes=max(0, self._free_bytes()),
        )

    def retry_after_seconds(self, nbytes: int) -> int:
        wanted_bytes = self._waiting_bytes() + nbytes - max(0, self._free_bytes())
        seconds = self.rate.seconds_for(wanted_bytes) if self.rate.is_known else self._wait_seconds
        return max(1, math.ceil(min(seconds, _MAX_RETRY_SECONDS)))

    def _overloaded(self, detail: str, nbytes: int, least_seconds: int) -> Overloaded:
        return Overloaded(
            detail,
            retry_after_seconds=max(least_seconds, self.retry_after_seconds(nbytes)),
            neededBytes=nbytes,
            freeBytes=max(0, self._free_bytes()),
        )
