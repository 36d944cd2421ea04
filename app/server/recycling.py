"""Recycles the API process itself: memory that Python does not give back is free again in a new process."""

from __future__ import annotations

import logging
import os

from app.memory.governor import Governor
from app.rounds import go_round
from app.server.lifecycle import Lifecycle

logger = logging.getLogger("ballast.memory")

_PATIENCE_SAMPLES = 5
"""How many samples in a row must be above the share: a burst that ends by itself is no reason."""


class Recycler:
    """Ends the service in order (not ready, drained, exit code 75) when the API holds too much of the limit."""

    def __init__(self, governor: Governor, lifecycle: Lifecycle, share: float) -> None:
        self._governor = governor
        self._lifecycle = lifecycle
        self._share = share
        self._above = 0

    async def run(self) -> None:
        """Watch until cancelled; does nothing where the share is 0."""
        if self._share > 0:
            await go_round({"a look": self.look}, lambda: self._governor.settings.sample_seconds, logger)

    def look(self) -> None:
        """Take the last sample into account."""
        sample, own = self._governor.sample, os.getpid()
        resident_bytes = next((process.rss_bytes for process in sample.processes if process.pid == own), 0)
        self._above = self._above + 1 if resident_bytes > self._share * sample.limit_bytes else 0
        if self._above == _PATIENCE_SAMPLES:
            logger.warning("the API has outgrown its share and is recycled", extra={"rssBytes": resident_bytes})
            self._lifecycle.recycle(f"the API holds {resident_bytes} bytes")
