"""The life of the service: how far its end has come, and with which exit code it ends.

It is *asked* to end, *leaves* (not ready; everything is still answered), *drains* (nothing new is taken, what is
long-lived ends), and *cuts* what is still open.
"""

from __future__ import annotations

import asyncio

RECYCLE_EXIT_CODE = 75
"""EX_TEMPFAIL of sysexits.h: to be started again."""


class Lifecycle:
    """The server says how far the end has come, the recycler that it should begin; whatever is long-lived asks."""

    def __init__(self) -> None:
        self._asked = asyncio.Event()
        self._leaving = asyncio.Event()
        self._draining = asyncio.Event()
        self._cutting = asyncio.Event()
        self.recycle_reason: str | None = None

    @property
    def leaving(self) -> bool:
        """Whether new work is not welcome any more, though it is still done."""
        return self._leaving.is_set()

    @property
    def draining(self) -> bool:
        return self._draining.is_set()

    @property
    def exit_code(self) -> int:
        return RECYCLE_EXIT_CODE if self.recycle_reason is not None else 0

    def recycle(self, reason: str) -> None:
        """Ask for an orderly end, and to be started again by whoever runs the service."""
        if self.recycle_reason is None and not self._asked.is_set():
            self.recycle_reason = reason
            self.ask()

    def ask(self) -> None:
        """Ask for an orderly end."""
        self._asked.set()

    async def asked(self) -> None:
        """Wait until somebody asks for the end."""
        await self._asked.wait()

    def leave(self) -> None:
        """Say that the end has begun: readiness fails, everything else goes on."""
        self._leaving.set()

    def drain(self) -> None:
        """Say that no new work is taken, and that whatever is long-lived should end."""
        self._leaving.set()
        self._draining.set()

    async def drained(self) -> None:
        """Wait until nothing new is taken."""
        await self._draining.wait()

    def cut(self) -> None:
        """Say that the time to finish is over: say a last word now."""
        self.drain()
        self._cutting.set()

    async def time_is_over(self) -> None:
        """Wait until what is still open is about to be cut."""
        await self._cutting.wait()
