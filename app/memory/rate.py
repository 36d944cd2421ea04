"""How fast bytes come back: what `Retry-After` is computed from."""

from __future__ import annotations

import math
from collections.abc import Callable

_TIME_CONSTANT_SECONDS = 10.0


class ReleaseRate:
    """An exponentially decaying average of the bytes released a second (time constant 10 s).

    `is_known` says that something was released at all.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._released_bytes = 0.0
        self._updated_at = clock()
        self.is_known = False

    def record(self, nbytes: int) -> None:
        now = self._clock()
        self._released_bytes = self._decayed(now) + nbytes
        self._updated_at = now
        self.is_known = True

    def seconds_for(self, nbytes: int) -> float:
        """Return how long so many bytes take to come back at the present rate; infinite if nothing comes back."""
        if nbytes <= 0:
            return 0.0
        rate = self._decayed(self._clock()) / _TIME_CONSTANT_SECONDS
        return nbytes / rate if rate > 0 else math.inf

    def _decayed(self, now: float) -> float:
        return self._released_bytes * math.exp((self._updated_at - now) / _TIME_CONSTANT_SECONDS)
