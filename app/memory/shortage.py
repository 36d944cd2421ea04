"""The signal that somebody waits for bytes, so that idle holders can give way."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

_INTERVAL_SECONDS = 0.25

logger = logging.getLogger("ballast.memory")


class ShortageSignal:
    """Calls `notify(missing_bytes)` soon after `raise_signal()`, at most once in `interval_seconds`.

    `missing_bytes()` is asked at the moment of the call; nothing is told when it is 0. A failing `notify` is logged.
    """

    def __init__(
        self,
        notify: Callable[[int], None] | None,
        *,
        missing_bytes: Callable[[], int],
        interval_seconds: float = _INTERVAL_SECONDS,
    ) -> None:
        self.notify = notify
        self._missing_bytes = missing_bytes
        self._interval_seconds = interval_seconds
        self._next_at = 0.0
        self._scheduled = False

    def raise_signal(self) -> None:
        """Ask for the call; never calls `notify` itself, so it is safe in the middle of a grant."""
        if self.notify is None or self._scheduled:
            return
        loop = asyncio.get_running_loop()
        self._scheduled = True
        loop.call_at(max(loop.time(), self._next_at), self._tell)

    def _tell(self) -> None:
        self._scheduled = False
        missing_bytes = self._missing_bytes()
        if self.notify is None or missing_bytes <= 0:
            return
        self._next_at = asyncio.get_running_loop().time() + self._interval_seconds
        try:
            self.notify(missing_bytes)
        except Exception:
            logger.exception("the shortage hook failed")
