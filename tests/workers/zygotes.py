"""Zygotes for the tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from app.workers.zygote import Zygote

CALM = "tests.workers.preloads.calm"


class Watch:
    """Notes which zygotes there were."""

    def __init__(self) -> None:
        self.pids: list[int] = []
        self.ended_pids: list[int] = []
        self.kills: list[Callable[[], None]] = []

    def started(self, pid: int, kill: Callable[[], None]) -> None:
        self.pids.append(pid)
        self.kills.append(kill)

    def ended(self, pid: int) -> None:
        assert pid in self.pids
        self.ended_pids.append(pid)


@asynccontextmanager
async def open_zygote(*preload: str, idle_seconds: float = 60.0, **options: Any) -> AsyncIterator[tuple[Zygote, Watch]]:
    """Give a zygote, and what watches it; it is closed afterwards, and all that there were are gone."""
    watch = Watch()
    zygote = Zygote(preload or (CALM,), watch, idle_seconds, **options)
    try:
        yield zygote, watch
    finally:
        await zygote.aclose()
    assert sorted(watch.ended_pids) == sorted(watch.pids)
