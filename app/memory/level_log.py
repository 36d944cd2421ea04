"""Tells the log of changes of the pressure level: the first few of a minute one by one, the others in one line."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from app.domain.pressure import PressureLevel

logger = logging.getLogger("ballast.memory")

_WINDOW_SECONDS = 60.0
_LINES = 4


class LevelLog:
    """At most six lines a minute. Times are the sample's, monotonic seconds."""

    def __init__(self) -> None:
        self._since = float("-inf")
        self._told: list[PressureLevel] = []
        self._untold: list[PressureLevel] = []

    def changed(
        self, now: float, previous: PressureLevel, level: PressureLevel, reasons: Sequence[str], pressure: float
    ) -> None:
        """Tell of a change, at once or later. What has become critical is told at once, the first time in a minute."""
        self.look(now)
        is_first_crisis = level is PressureLevel.CRITICAL and level not in self._told
        if len(self._told) >= _LINES and not is_first_crisis:
            self._untold.append(level)
            return
        if not self._told:
            self._since = now
        self._told.append(level)
        logger.log(
            logging.WARNING if level > previous else logging.INFO,
            "pressure %s -> %s",
            previous.name,
            level.name,
            extra={"reasons": list(reasons), "pressure": round(pressure, 3)},
        )

    def look(self, now: float) -> None:
        """Tell of what was not told yet, when the minute is over; call it with each sample."""
        if not self._told or now < self._since + _WINDOW_SECONDS:
            return
        if self._untold:
            logger.warning(
                "the pressure changed %d times more in the last minute; it is %s now",
                len(self._untold),
                self._untold[-1].name,
                extra={"highest": max(self._untold).name, "lowest": min(self._untold).name},
            )
        self._told, self._untold = [], []
