"""The last resort: a child is killed before the kernel takes the whole group (memory.oom.group)."""

from __future__ import annotations

import logging

from app.domain.priority import Priority
from app.memory.enrolled import EnrolledProcess, EnrolledProcesses
from app.memory.gauge import MemorySample

logger = logging.getLogger("ballast.memory")

_PATIENCE_SECONDS = 1.0
"""After so long another child is killed even where the last one is still there: it may be stuck in the kernel."""


class LastResort:
    """Kills one child at a time from `share` of the limit on.

    Who goes is decided by what the child does: nothing, then BATCH, REQUEST, LIVE work; among equals the largest. The
    next one has to go only if the end of the last one has not helped: when a sample was taken after it, or after 1 s.
    """

    def __init__(self, processes: EnrolledProcesses, share: float) -> None:
        self.kills = 0
        self._processes = processes
        self._share = share
        self._killed: dict[int, EnrolledProcess] = {}  # until they are dismissed
        self._last: EnrolledProcess | None = None
        self._last_at = 0.0
        self._was_gone = False

    def act(self, sample: MemorySample) -> None:
        """Kill a child if the sample asks for it; call it with each."""
        self._killed = {pid: one for pid, one in self._killed.items() if self._processes.get(pid) is one}
        has_settled = self._has_settled(sample)
        if sample.pressure >= self._share and has_settled:
            self._kill_one(sample)

    def _has_settled(self, sample: MemorySample) -> bool:
        """Whether this sample shows what the last kill has freed.

        A child that was reaped is gone. One that only has no memory any more was seen in the middle of giving it back
        (exit_mm in the kernel's exit.c), so that it is the next sample that counts.
        """
        if self._last is None or self._last.pid not in self._killed:
            return True
        was_gone = self._was_gone
        self._was_gone = all(process.pid != self._last.pid for process in sample.processes)
        return was_gone or sample.monotonic_seconds - self._last_at >= _PATIENCE_SECONDS

    def _kill_one(self, sample: MemorySample) -> None:
        resident = {
            process: nbytes
            for process, nbytes in self._processes.resident_bytes(sample).items()
            if process.kill is not None and process.pid not in self._killed
        }
        if resident:
            victim = max(resident, key=lambda process: (_expendability(process.present_priority), resident[process]))
            self._kill(victim, resident[victim], sample.monotonic_seconds)

    def _kill(self, victim: EnrolledProcess, resident_bytes: int, now: float) -> None:
        priority = victim.present_priority
        logger.error(
            "killing a child before the kernel does",
            extra={
                "role": victim.role,
                "pid": victim.pid,
                "residentBytes": resident_bytes,
                "work": None if priority is None else priority.name,
            },
        )
        self.kills += 1
        self._killed[victim.pid] = self._last = victim
        self._last_at, self._was_gone = now, False
        assert victim.kill is not None
        victim.kill()


def _expendability(priority: Priority | None) -> int:
    return len(Priority) if priority is None else priority
