"""Watching a service at work: what it says of its memory, and what the kernel says."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import psutil

from soak.cgroup import MemoryGroup
from soak.http import LOST, HttpClient
from soak.service import Service
from soak.tally import Tally

_PERIOD_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Sample:
    """One look. `working_set_bytes` is the kernel's figure in a control group, else what the service says.

    `uncharged_bytes` are mapped file pages that are charged to another group, because it read them first: in a
    container with files of its own, at least that much more would be charged to ours.
    """

    at_seconds: float
    photos_done: int
    working_set_bytes: int
    uncharged_bytes: int
    reserved_bytes: int
    unaccounted_bytes: int
    tree_rss_bytes: int
    api_rss_bytes: int
    level: str


@dataclass(slots=True)
class Watched:
    """Everything that was seen. `levels` are the changes that the service told: (seconds, level, reasons)."""

    samples: list[Sample] = field(default_factory=list)
    levels: list[tuple[float, str, list[str]]] = field(default_factory=list)
    oom_kills: int = 0


class Watch:
    """Looks four times a second until it is cancelled."""

    def __init__(self, service: Service, group: MemoryGroup | None, tally: Tally) -> None:
        self.seen = Watched()
        self._service = service
        self._group = group
        self._tally = tally
        self._client = HttpClient(service.port)

    async def run(self) -> None:
        """Look, and listen to changes of the level."""
        listener = asyncio.create_task(self._listen())
        try:
            while True:
                await self.look()
                await asyncio.sleep(_PERIOD_SECONDS)
        finally:
            listener.cancel()
            await asyncio.gather(listener, return_exceptions=True)

    async def look(self) -> None:
        """Take one sample; a service that does not answer is counted as a lost connection."""
        try:
            report = (await self._client.get("/metrics/memory")).json()
        except LOST as error:
            self._tally.lose("watch", error)
            return
        self.seen.samples.append(self._sample(report))
        self.seen.oom_kills = self._group.oom_kills() if self._group is not None else report["oomKills"]

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def _sample(self, report: dict[str, Any]) -> Sample:
        tree = _memory_of_tree(self._service.pid)
        group = self._group
        return Sample(
            at_seconds=time.monotonic() - self._tally.started,
            photos_done=self._tally.photos_done,
            working_set_bytes=group.working_set_bytes() if group is not None else report["workingSetBytes"],
            uncharged_bytes=_uncharged_bytes(tree.values(), group) if group is not None else 0,
            reserved_bytes=report["budget"]["reservedBytes"],
            unaccounted_bytes=report["unaccountedBytes"],
            tree_rss_bytes=sum(memory.rss for memory in tree.values()),
            api_rss_bytes=tree[self._service.pid].rss if self._service.pid in tree else 0,
            level=report["level"],
        )

    async def _listen(self) -> None:
        client = HttpClient(self._service.port)
        try:
            async for event in client.events("/v1/memory/events"):
                at = time.monotonic() - self._tally.started
                self.seen.levels.append((at, event["level"], list(event["reasons"])))
        except LOST as error:
            self._tally.lose("events", error)


def _memory_of_tree(pid: int) -> dict[int, Any]:
    """Return what psutil says of the memory of a process and its descendants; one that has ended is left out."""
    found: dict[int, Any] = {}
    with suppress(psutil.NoSuchProcess):
        root = psutil.Process(pid)
        for process in (root, *root.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                found[process.pid] = process.memory_info()
    return found


def _uncharged_bytes(memories: Iterable[Any], group: MemoryGroup) -> int:
    """Return the file pages of the process that maps most of them, less those that are charged to the group.

    `shared` are file pages and shared memory (proc_pid_statm(5)), which the service has next to none of.
    """
    return max(0, max((memory.shared for memory in memories), default=0) - group.mapped_bytes())
