"""What the service itself tells of a load: the levels that it went through, and the children that were killed."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress

from soak.http import LOST, HttpClient

KILLED = "ballast_memory_child_kills_total"
"""Children that the governor killed."""

DIED = "ballast_workers_died_total"
"""Children that ended without being asked to."""


@asynccontextmanager
async def watched_levels(port: int) -> AsyncIterator[set[str]]:
    """Collect the present level and every one that it changes to while the block runs; `GONE`: the service ended."""
    levels = set[str]()
    listening = asyncio.create_task(_listen(port, levels))
    try:
        yield levels
    finally:
        listening.cancel()
        with suppress(asyncio.CancelledError):
            await listening


async def count(port: int, name: str) -> int:
    """Return a counter of /metrics, summed over its labels.

    Raises:
        KeyError: there is no such counter.
        ConnectionError, asyncio.IncompleteReadError, TimeoutError: there was no answer.
    """
    with closing(HttpClient(port)) as client:
        text = (await client.get("/metrics")).body.decode()
    values = re.findall(rf"^{name}(?:{{.*}})? ([0-9.e+]+)$", text, re.MULTILINE)
    if not values:
        raise KeyError(name)
    return round(sum(map(float, values)))


async def _listen(port: int, levels: set[str]) -> None:
    with closing(HttpClient(port)) as client:
        try:
            async for event in client.events("/v1/memory/events"):
                levels.add(event["level"])
        except LOST:
            levels.add("GONE")
