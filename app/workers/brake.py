"""Brakes restart storms: children that keep crashing are restarted ever later, and then not at all for a while."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable


class RestartBrake:
    """Counts crashes over a sliding window; those that one input causes count once.

    The n-th start after a crash waits 0, 0.1, 0.2, 0.4 ... seconds; after `max_deaths` within `window_seconds` nothing
    is started until the oldest one has left the window (Frigate's rule: 5 in 60 s).
    """

    def __init__(self, clock: Callable[[], float], max_deaths: int = 5, window_seconds: float = 60.0) -> None:
        self._clock = clock
        self._max_deaths = max_deaths
        self._window_seconds = window_seconds
        self._deaths: deque[tuple[float, bytes | None]] = deque()

    def record_death(self, fingerprint: bytes | None = None) -> None:
        """Count a crash on the input of this fingerprint; None: on no input, which is a cause of its own."""
        self._forget()
        if fingerprint is None or all(fingerprint != known for _, known in self._deaths):
            self._deaths.append((self._clock(), fingerprint))

    @property
    def closed_seconds(self) -> float:
        """How long nothing may be started yet; 0 when it may."""
        self._forget()
        if len(self._deaths) < self._max_deaths:
            return 0.0
        return self._deaths[-self._max_deaths][0] + self._window_seconds - self._clock()

    @property
    def backoff_seconds(self) -> float:
        """How long the next start should wait."""
        self._forget()
        deaths = len(self._deaths)
        return 0.0 if deaths < 2 else 0.1 * 2.0 ** min(deaths - 2, 6)

    def _forget(self) -> None:
        while self._deaths and self._deaths[0][0] <= self._clock() - self._window_seconds:
            self._deaths.popleft()
