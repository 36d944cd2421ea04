"""Runs that were still going on when the service asked for them: it is told when they are over."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

logger = logging.getLogger("ballast.jobs")

_LOOK_SECONDS = 1.0


class Claims:
    """In the jobs child. A run may end in the moment in which it is asked for anew; then nobody would go on with it.

    `is_over` says of a workflow whether it has ended, `tell` says so to the service, which knows whether that is news.
    """

    def __init__(self, is_over: Callable[[str], bool], tell: Callable[[str, int], None]) -> None:
        self._is_over = is_over
        self._tell = tell
        self._claimed: dict[str, tuple[str, int]] = {}
        self._lock = threading.Lock()
        self._is_watching = False

    def add(self, name: str, job_id: str, run: int) -> None:
        """Have an eye on the workflow `name` until it is over."""
        with self._lock:
            self._claimed[name] = job_id, run
            begins, self._is_watching = not self._is_watching, True
        if begins:
            threading.Thread(target=self._watch, name="claims", daemon=True).start()

    def _watch(self) -> None:
        while self._look():
            time.sleep(_LOOK_SECONDS)

    def _look(self) -> bool:
        """Tell of those that are over; return whether there are others."""
        with self._lock:
            claimed = dict(self._claimed)
        for name, (job_id, run) in claimed.items():
            try:
                is_over = self._is_over(name)
            except Exception:  # the database is away: that passes
                logger.warning("a run cannot be looked up")
                break
            if is_over:
                with self._lock:
                    self._claimed.pop(name, None)
                self._tell(job_id, run)
        with self._lock:
            self._is_watching = bool(self._claimed)
            return self._is_watching
