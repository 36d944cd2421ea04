"""Looks at a run ten times a second: what it holds, whether it goes on, whether it has to stand still or to end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from app.domain.pressure import PressureLevel
from app.domain.units import MIB
from app.errors import Overloaded, ProcessingTimeout
from app.ffmpeg.complaints import Starved
from app.ffmpeg.progress import Progress
from app.memory.kernel_file import KernelFile
from app.memory.reservation import Reservation

_PERIOD_SECONDS = 0.1
_FIRST_PERIOD_SECONDS = 0.02
_FIRST_PERIODS = 10
"""Measured with an encoder that grows by 0.9 GB/s: 100 ms find out 38 MB too late. The data limit holds in between."""

_PEAK = re.compile(rb"^VmHWM:\s+(\d+)", re.MULTILINE)
_DATA = re.compile(rb"^VmData:\s+(\d+)", re.MULTILINE)

_NEAR_BYTES = 24 * MIB
"""So near to its data limit, a program that stands still was refused memory: a thread takes 8 MiB, a frame more."""

_RETRY_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a run may take. Time in which it is paused, or waits for its reader, does not count.

    `stall_seconds`: without a sign of life, neither progress nor CPU time. `busy_seconds`: with CPU time alone (to seek
    far into a file without an index). `paused_seconds`: at CRITICAL, before it gives its memory back.
    """

    deadline_seconds: float
    stall_seconds: float = 60.0
    busy_seconds: float = 600.0
    paused_seconds: float = 30.0
    data_bytes: int | None = None
    """Its data limit: one that stands still there lacks memory."""


class Watch:
    """One run's. `is_waited_for` returns whether the output waits for its reader."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        holder: Reservation,
        progress: Progress,
        level: Callable[[], PressureLevel],
        is_waited_for: Callable[[], bool] = lambda: False,
    ) -> None:
        self.peak_bytes = 0
        self._process = process
        self._holder = holder
        self._progress = progress
        self._level = level
        self._is_waited_for = is_waited_for
        self._status = KernelFile(Path(f"/proc/{process.pid}/status"))
        self._statistics = KernelFile(Path(f"/proc/{process.pid}/stat"))
        self._active = self._unmoved = self._silent = self._paused = 0.0
        self._seen: object = None
        self._cpu = b""

    async def run(self, patience: Patience) -> None:
        """Return when the process has ended.

        Raises:
            Starved: it holds more than is reserved for it, and there is no more.
            Overloaded: it stood still for too long, and is in the way of what memory would be needed for.
            ProcessingTimeout: it took too long, or made no progress.
        """
        ended = asyncio.create_task(self._process.wait())
        looked_at, periods = time.monotonic(), 0
        try:
            while True:
                period = _FIRST_PERIOD_SECONDS if periods < _FIRST_PERIODS else _PERIOD_SECONDS
                self._measure()
                if (await asyncio.wait((ended,), timeout=period))[0]:
                    return
                looked_at, passed = time.monotonic(), time.monotonic() - looked_at
                self._pass_time(passed, patience)
                periods += 1
        finally:
            ended.cancel()
            self._status.close()
            self._statistics.close()

    def _measure(self) -> None:
        found = _PEAK.search(self._status.read())
        if found is None:
            return
        self.peak_bytes = max(self.peak_bytes, int(found[1]) * 1024)
        missing_bytes = self.peak_bytes - self._holder.reserved_bytes
        if missing_bytes > 0 and not self._holder.grow({"above": missing_bytes}):
            raise Starved

    def _pass_time(self, seconds: float, patience: Patience) -> None:
        if self._stand_still(seconds, patience) or self._is_waited_for():
            self._unmoved = self._silent = 0.0
            return
        self._active += seconds
        self._look_for_life(seconds)
        if self._active > patience.deadline_seconds:
            raise ProcessingTimeout("Processing the media took too long.")
        if self._silent > patience.stall_seconds or self._unmoved > patience.busy_seconds:
            if self._is_at(patience.data_bytes):
                raise Starved
            raise ProcessingTimeout("Processing the media came to a standstill.")

    def _stand_still(self, seconds: float, patience: Patience) -> bool:
        """Stop it at CRITICAL, and let it go on below; return whether it stands still."""
        if self._level() < PressureLevel.CRITICAL:
            if self._paused:
                self._paused = 0.0
                self._signal(signal.SIGCONT)
            return False
        if not self._paused:
            self._signal(signal.SIGSTOP)
        self._paused += seconds
        if self._paused > patience.paused_seconds:
            raise Overloaded("There is no memory to go on with this work now.", retry_after_seconds=_RETRY_SECONDS)
        return True

    def _look_for_life(self, seconds: float) -> None:
        progress = self._progress
        seen, cpu = (progress.seconds, progress.frames, progress.size_bytes), _cpu_time(self._statistics.read())
        self._unmoved = 0.0 if seen != self._seen else self._unmoved + seconds
        self._silent = 0.0 if seen != self._seen or cpu != self._cpu else self._silent + seconds
        self._seen, self._cpu = seen, cpu

    def _is_at(self, limit_bytes: int | None) -> bool:
        found = _DATA.search(self._status.read())
        return limit_bytes is not None and found is not None and int(found[1]) * 1024 + _NEAR_BYTES > limit_bytes

    def _signal(self, number: signal.Signals) -> None:
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)


def _cpu_time(statistics: bytes) -> bytes:
    """Return utime and stime of proc(5), unread: all that matters is whether they change."""
    return b" ".join(statistics.rpartition(b")")[2].split()[11:13])
