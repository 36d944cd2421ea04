"""A progress bar of plain text, drawn only where somebody watches."""

from __future__ import annotations

import time
from typing import TextIO

_WIDTH = 30
_PERIOD_SECONDS = 0.1
_MIB = 1024 * 1024


class ProgressBar:
    """Draws on one line of a terminal; on anything else only the lines of `say` are written."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._watched = stream.isatty()
        self._drawn = False
        self._next_at = 0.0

    @property
    def terminal(self) -> TextIO | None:
        """The terminal that somebody watches, if there is one."""
        return self._stream if self._watched else None

    def show(self, name: str, done_bytes: int, total_bytes: int) -> None:
        """Draw how far `name` has come, at most ten times a second."""
        now = time.monotonic()
        if not self._watched or (now < self._next_at and done_bytes < total_bytes):
            return
        self._next_at = now + _PERIOD_SECONDS
        share = min(1.0, done_bytes / max(1, total_bytes))
        bar = "#" * int(share * _WIDTH)
        size = f"{done_bytes / _MIB:.1f} of {total_bytes / _MIB:.1f} MiB"
        self._stream.write(f"\r\x1b[K{name} [{bar:<{_WIDTH}}] {share:4.0%}  {size}")
        self._stream.flush()
        self._drawn = True

    def say(self, line: str) -> None:
        """Write one line, over the bar if there is one."""
        self._stream.write(("\r\x1b[K" if self._drawn else "") + line + "\n")
        self._stream.flush()
        self._drawn = False
