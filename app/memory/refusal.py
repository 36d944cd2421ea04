"""The refusals of the budget: the errors with their numbers, `Retry-After`, and how many there were of each."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from typing import TypeVar

from app.errors import MemoryExceedsLimit, Overloaded, QueueFull
from app.memory.ledger import Ledger

E = TypeVar("E", Overloaded, QueueFull)

_TIME_CONSTANT_SECONDS = 10.0
_MAX_RETRY_SECONDS = 60
_CLOSED_RETRY_SECONDS = 5


REASONS = ("timeout", "closed", "queue_full", "memory_exceeds_limit")
"""Why requests are refused for memory."""


class Refusals:
    """Makes and counts refusals by reason: `timeout`, `closed`, `queue_full`, `memory_exceeds_limit`.

    `Retry-After` is the time in which the bytes of all waiters and of this request come back, at the rate of the last
    seconds (an exponentially decaying average, time constant 10 s), within 1..60 s; where nothing has been released
    yet it is `wait_seconds`.
    """

    def __init__(self, ledger: Ledger, waiting_bytes: Callable[[], int], wait_seconds: float) -> None:
        self.totals: Counter[str] = Counter()
        self._ledger = ledger
        self._waiting_bytes = waiting_bytes
        self._wait_seconds = wait_seconds
        self._released_bytes = 0.0
        self._released_at: float | None = None

    def record_release(self, nbytes: int) -> None:
        """Take into account that bytes came back."""
        now = self._ledger.clock()
        self._released_bytes = self._decayed(now) + nbytes
        self._released_at = now

    def check_size(self, nbytes: int) -> None:
        """Raise MemoryExceedsLimit if so many bytes can never be granted."""
        if nbytes > self._ledger.limit_bytes:
            raise self.too_large(nbytes)

    def too_large(self, nbytes: int) -> MemoryExceedsLimit:
        """413: it needs more than can ever be given."""
        self.totals["memory_exceeds_limit"] += 1
        limit_bytes = self._ledger.limit_bytes
        return MemoryExceedsLimit(
            f"{nbytes} bytes are needed, and at most {limit_bytes} can be given",
            neededBytes=nbytes,
            limitBytes=limit_bytes,
        )

    def timeout(self, nbytes: int) -> Overloaded:
        """503: its bytes did not become free in time."""
        return self._retry(Overloaded, "timeout", "the bytes that are needed did not become free in time", nbytes)

    def late(self, nbytes: int) -> Overloaded:
        """503: the bytes were there in time, but not what was to be made ready in them."""
        return self._retry(Overloaded, "timeout", "what this had to wait for was not ready in time", nbytes)

    def closed(self, nbytes: int) -> Overloaded:
        """503: its class is not served at this pressure, whatever is free."""
        detail = "memory is too tight to serve this now"
        return self._retry(Overloaded, "closed", detail, nbytes, least_seconds=_CLOSED_RETRY_SECONDS)

    def queue_full(self, nbytes: int) -> QueueFull:
        """429: too many wait."""
        return self._retry(QueueFull, "queue_full", "too many requests wait for memory", nbytes)

    def _retry(self, kind: type[E], reason: str, detail: str, nbytes: int, least_seconds: int = 1) -> E:
        self.totals[reason] += 1
        return kind(
            detail,
            retry_after_seconds=max(least_seconds, self._retry_after_seconds(nbytes)),
            neededBytes=nbytes,
            freeBytes=max(0, self._ledger.free_bytes),
        )

    def _retry_after_seconds(self, nbytes: int) -> int:
        wanted_bytes = self._waiting_bytes() + nbytes - max(0, self._ledger.free_bytes)
        seconds = self._seconds_for(wanted_bytes) if self._released_at is not None else self._wait_seconds
        return max(1, math.ceil(min(seconds, _MAX_RETRY_SECONDS)))

    def _seconds_for(self, nbytes: int) -> float:
        """Return how long so many bytes take to come back at the present rate; infinite if nothing comes back."""
        if nbytes <= 0:
            return 0.0
        rate = self._decayed(self._ledger.clock()) / _TIME_CONSTANT_SECONDS
        return nbytes / rate if rate > 0 else math.inf

    def _decayed(self, now: float) -> float:
        if self._released_at is None:
            return 0.0
        return self._released_bytes * math.exp((self._released_at - now) / _TIME_CONSTANT_SECONDS)
