"""The life of the service: whether it is shutting down, and with which exit code."""

from __future__ import annotations

import asyncio

RECYCLE_EXIT_CODE = 75
"""EX_TEMPFAIL of sysexits.h: to be started again."""


class Lifecycle:
    """The server says that it shuts down, the recycler that it should; whatever is long-lived asks."""

    def __init__(self) -> None:
        self._draining = asyncio.Event()
        self.recycle_reason: str | None = None

    @property
    def draining(self) -> bool:
        return self._draining.is_set()

    @property
    def exit_code(self) -> int:
        return RECYCLE_EXIT_CODE if self.recycle_reason is not None else 0

    def recycle(self, reason: str) -> None:
        """Ask for an orderly end, and to be started again by whoever runs the service."""
        if self.recycle_reason is None:
            self.recycle_reason = reason

    def drain(self) -> None:
        """Say that no new work is taken, and that whatever is long-lived should end."""
        self._draining.set()

    async def drained(self) -> None:
        """Wait until the end begins."""
        await self._draining.wait()
