"""Writes snapshots into the black box, in a thread of its own: a disk that hangs holds up nothing but them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any

from app.domain.pressure import PressureLevel
from app.memory.budget import BudgetStatistics
from app.memory.gauge import MemorySample
from app.memory.postmortem import BlackBox

logger = logging.getLogger("ballast.memory")

_HOLDERS = 20

_CLOSE_SECONDS = 5.0
"""How long the end of the service waits for the disk: a healthy one takes milliseconds."""


class SnapshotWriter:
    """Writes one snapshot at a time.

    Each write is a daemon thread: neither the loop, nor asyncio's executor (whose threads may all be busy), nor the
    end of the interpreter waits for it.
    """

    def __init__(self, black_box: BlackBox, close_seconds: float = _CLOSE_SECONDS) -> None:
        self._black_box = black_box
        self._close_seconds = close_seconds
        self._writing: asyncio.Future[None] | None = None

    @property
    def is_writing(self) -> bool:
        return self._writing is not None and not self._writing.done()

    def write(self, snapshot: Mapping[str, Any]) -> None:
        """Begin to write; call it only while nothing is being written."""
        self._start(snapshot, clean=False)

    async def aclose(self, snapshot: Mapping[str, Any]) -> None:
        """Write the mark of a clean end; give up where the disk takes too long: the next start then tells of it."""
        writing = self._start(snapshot, clean=True)
        done, _ = await asyncio.wait((writing,), timeout=self._close_seconds)
        if not done:
            logger.warning("the mark of a clean end could not be written in time")

    def _start(self, snapshot: Mapping[str, Any], *, clean: bool) -> asyncio.Future[None]:
        loop = asyncio.get_running_loop()
        writing: asyncio.Future[None] = loop.create_future()

        def run() -> None:
            try:
                self._black_box.write(snapshot, clean=clean)
            except Exception:
                logger.exception("the snapshot cannot be written")
            with contextlib.suppress(RuntimeError):  # the loop has not waited for us
                loop.call_soon_threadsafe(_finish, writing)

        threading.Thread(target=run, name="ballast-snapshot", daemon=True).start()
        self._writing = writing
        return writing


def summarise(
    sample: MemorySample, statistics: BudgetStatistics, level: PressureLevel, role: Callable[[int], str]
) -> dict[str, object]:
    """Return a summary of the sample and the ledger as JSON: what one wants to know after a crash."""
    largest = sorted(statistics.holders, key=lambda holder: -holder.reserved_bytes)[:_HOLDERS]
    return {
        "at": sample.sampled_at.isoformat(),
        "level": level.name,
        "pressure": round(sample.pressure, 4),
        "workingSetBytes": sample.working_set_bytes,
        "limitBytes": sample.limit_bytes,
        "oomKills": sample.oom_kills,
        "waiting": statistics.waiting,
        "reservedBytes": statistics.reserved_bytes,
        "holders": [
            {"owner": h.owner, "reservedBytes": h.reserved_bytes, "residentBytes": h.resident_bytes} for h in largest
        ],
        "processes": [{"role": role(process.pid), "rssBytes": process.rss_bytes} for process in sample.processes],
    }


def _finish(writing: asyncio.Future[None]) -> None:
    if not writing.done():
        writing.set_result(None)
