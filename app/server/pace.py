"""Turns: while the event loop is late, each connection has one in a while, so that the busiest one slows itself down.

A client that sends its next request, message or chunk as soon as the last one is dealt with keeps the loop busy, and
everybody else waits for it. One that shows a photo, or sends the frames of a webcam, comes back after a turn anyway.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

TURN_SECONDS = 0.015
"""A turn: shorter than any analysis takes, and than a frame of a webcam at 60 a second lasts."""

LATE_SECONDS = 0.002
"""The loop is late when its timers are, by so much on average: some ten requests' worth."""

_TICK_SECONDS = 0.02
_SMOOTHING = 0.2


class Pace:
    """Watches how late the loop is, as long as `is_needed` says that there is somebody to be slowed down."""

    def __init__(self, loop: asyncio.AbstractEventLoop, is_needed: Callable[[], bool]) -> None:
        self._loop = loop
        self._is_needed = is_needed
        self._lag_seconds = 0.0
        self._due: float | None = None  # None: it does not watch

    @property
    def is_late(self) -> bool:
        return self._lag_seconds > LATE_SECONDS

    def watch(self) -> None:
        """Begin to watch, if it does not yet; it ends by itself."""
        if self._due is None:
            self._next()

    def wait_seconds(self, last: float) -> float:
        """Return how long who had its last turn at `last` (the loop's time) waits for its next one; often 0."""
        if not self.is_late:
            return 0.0
        return max(0.0, last + TURN_SECONDS - self._loop.time())

    def _next(self) -> None:
        self._due = self._loop.time() + _TICK_SECONDS
        self._loop.call_at(self._due, self._tick)

    def _tick(self) -> None:
        assert self._due is not None
        self._lag_seconds += _SMOOTHING * (self._loop.time() - self._due - self._lag_seconds)
        if self._is_needed():
            self._next()
        else:
            self._due = None
            self._lag_seconds = 0.0
