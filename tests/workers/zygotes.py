"""Zygotes for the tests."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from app.workers.launcher import StartedChild
from app.workers.zygote import Zygote

PRELOADS = "tests.workers.preloads"
CALM = f"{PRELOADS}.calm"


class Watch:
    """Notes which zygotes there were."""

    def __init__(self) -> None:
        self.pids: list[int] = []
        self.ended_pids: list[int] = []
        self.kills: list[Callable[[], None]] = []

    @property
    def running(self) -> list[int]:
        return [pid for pid in self.pids if pid not in self.ended_pids]

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


async def start(zygote: Zygote) -> tuple[StartedChild, socket.socket]:
    """Start a bare child, which exits when its channel (which is returned) is closed."""
    ours, theirs = socket.socketpair()
    with theirs:
        try:
            return await zygote.start(theirs), ours
        except BaseException:
            ours.close()
            raise


async def start_and_end(zygote: Zygote) -> str:
    """Start a bare child and wait for its end; return how it was started."""
    child, channel = await start(zygote)
    channel.close()
    assert await child.wait() == 0
    return child.start_method


def children_of(pid: int) -> list[int]:
    """Return the children of a process, zombies too."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def descriptors_of(pid: int) -> list[str]:
    return sorted(link.name for link in Path(f"/proc/{pid}/fd").iterdir())
