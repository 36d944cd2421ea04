"""A connection's transport for tests: it only notes what is asked of it."""

from __future__ import annotations

import asyncio
from typing import Any


class NotingTransport(asyncio.Transport):
    """Keeps each piece that is sent at a time; it reads nothing and is never full."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[bytes] = []
        self.paused = False
        self.closed = False

    @property
    def written(self) -> bytes:
        """All that was sent."""
        return b"".join(self.sent)

    def write(self, data: Any) -> None:
        self.sent.append(bytes(data))

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False
