"""A gauge that shows what the test sets, and a governor on it."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from app.domain.units import GIB, MIB
from app.memory.gauge import MemoryGauge, MemorySample
from app.memory.governor import Governor
from app.memory.postmortem import BlackBox
from app.memory.pressure import PressureMonitor
from app.memory.process import ProcessMemory
from app.memory.reclaim import ReclaimRegistry
from app.memory.trim import MemoryTrimmer
from app.settings import MemorySettings

LIMIT_BYTES = 1000 * MIB


class FakeGauge:
    """Shows `share` of the limit as the working set, and the processes in `resident_bytes`, this one first.

    `parents` are their parents, this process where nothing else is said; `now` is its clock if it is set.
    """

    def __init__(self, share: float = 0.1, limit_bytes: int = LIMIT_BYTES) -> None:
        self.share = share
        self.limit_bytes = limit_bytes
        self.resident_bytes = {os.getpid(): 60 * MIB}
        self.parents: dict[int, int] = {}
        self.now: float | None = None
        self.oom_kills = 0
        self.error: Exception | None = None
        self.samples = 0
        self.closed = False

    def sample(self, *, detail: bool = False) -> MemorySample:
        del detail
        self.samples += 1
        if self.error is not None:
            raise self.error
        processes = [self._process(pid) for pid in self.resident_bytes]
        return MemorySample(
            working_set_bytes=int(self.share * self.limit_bytes),
            limit_bytes=self.limit_bytes,
            limit_source="setting",
            host_available_bytes=8 * GIB,
            psi=None,
            oom_kills=self.oom_kills,
            oom_group=False,
            processes=tuple(processes),
            sampled_at=datetime.now(UTC),
            monotonic_seconds=time.monotonic() if self.now is None else self.now,
        )

    def measure(self, pid: int) -> int:
        return self.resident_bytes.get(pid, 0)

    def private_bytes(self, pid: int) -> int:
        return self.measure(pid)

    def close(self) -> None:
        self.closed = True

    def _process(self, pid: int) -> ProcessMemory:
        nbytes = self.resident_bytes[pid]
        parent_pid = self.parents.get(pid, 0 if pid == os.getpid() else os.getpid())
        return ProcessMemory(pid, nbytes, nbytes, 0, nbytes, nbytes, parent_pid=parent_pid)

    @property
    def as_gauge(self) -> MemoryGauge:
        return cast("MemoryGauge", self)


class FakeTrimmer(MemoryTrimmer):
    """Gives nothing back, and counts how often it was asked to."""

    def __init__(self) -> None:
        super().__init__(find_trim=lambda: None, collect=lambda: 0, resident_bytes=lambda: 0)
        self.requests = 0

    def request(self) -> None:
        self.requests += 1


def make_governor(
    folder: Path,
    gauge: FakeGauge | None = None,
    settings: MemorySettings | None = None,
    black_box: BlackBox | None = None,
) -> Governor:
    """Return a governor that writes its black box below `folder`."""
    settings = settings or MemorySettings()
    return Governor(
        settings,
        (gauge or FakeGauge()).as_gauge,
        PressureMonitor(settings),
        ReclaimRegistry(),
        FakeTrimmer(),
        black_box or BlackBox(folder / "state" / "memory.json"),
    )
