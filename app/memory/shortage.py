"""The word that the next waiter lacks bytes: it goes to those who hold memory that they can do without."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

_INTERVAL_SECONDS = 0.25

logger = logging.getLogger("ballast.memory")


class Shortage:
    """Tells a hook how many bytes are missing, at most every 250 ms; a failing hook is logged.

    `missing_bytes` is asked when the hook is about to be called; nothing is said if it is not above 0 by then.
    """

    def __init__(self, missing_bytes: Callable[[], int], tell: Callable[[int], None]) -> None:
        self._missing_bytes = missing_bytes
        self._tell = tell
        self._next_at = 0.0
        self._is_scheduled = False

    def signal(self) -> None:
        """Schedule a call of the hook; it never comes in the middle of a grant."""
        if not self._is_scheduled:
            self._is_scheduled = True
            loop = asyncio.get_running_loop()
            loop.call_at(max(loop.time(), self._next_at), self._fire)

    def _fire(self) -> None:
        self._is_scheduled = False
        missing_bytes = self._missing_bytes()
        if missing_bytes <= 0:
            return
        self._next_at = asyncio.get_running_loop().time() + _INTERVAL_SECONDS
        try:
            self._tell(missing_bytes)
        except Exception:
            logger.exception("the shortage hook failed")
