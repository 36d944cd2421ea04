"""A process watched and killed by its pidfd: no thread waits, and no other process can be taken for it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable


class ProcessHandle:
    """Owns a pidfd (pidfd_open(2)); calls `on_end` once, as soon as the process is a zombie or gone."""

    def __init__(self, descriptor: int, on_end: Callable[[], None]) -> None:
        self.descriptor = descriptor
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(descriptor, self._end)
        self._is_open = True

    def kill(self) -> None:
        """Send SIGKILL; nothing happens where the process is gone."""
        if self._is_open:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.descriptor, signal.SIGKILL)

    def close(self) -> None:
        """Close the descriptor; call it once, after the end."""
        self._is_open = False
        os.close(self.descriptor)

    def _end(self) -> None:
        self._loop.remove_reader(self.descriptor)
        self._on_end()
