"""The memory of a process and all its descendants where there is no `/proc` (macOS): by psutil."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import psutil

from app.memory.process import ProcessMemory

_DISCOVERY_SECONDS = 1.0


@dataclass(slots=True, eq=False)
class _Member:
    """`other_bytes`: resident pages that were not its own when its USS was read last, at `read_at` (None: never)."""

    process: psutil.Process
    parent_pid: int = 0
    uss_bytes: int | None = None
    other_bytes: int = 0
    peak_rss_bytes: int = 0
    read_at: float | None = None


class PsutilTree:
    """A process and its descendants, as `ProcessTree` has them; only imported where that cannot read anything.

    Only RSS and USS are known here. What was not unique at the last reading counts as file pages; where the USS of
    another process may not be read (macOS, unless we are root), all of its RSS counts as anonymous: high, never low.
    `peak_rss_bytes` is the most that was seen.
    """

    def __init__(self, pid: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._root = psutil.Process(pid)
        self._clock = clock
        self._members = {pid: _Member(self._root)}
        self._discovered_at = -math.inf

    def host_available_bytes(self) -> int:
        """Return what the machine can still give without swapping."""
        return int(psutil.virtual_memory().available)

    def refresh(self) -> None:
        """Look for new descendants, at most once a second: it asks for each process of the machine."""
        if self._clock() - self._discovered_at >= _DISCOVERY_SECONDS:
            self.discover()

    def discover(self) -> None:
        """Look for new descendants now. One whose parent has ended stays in the tree until it ends itself."""
        self._discovered_at = self._clock()
        self._members = {pid: member for pid, member in self._members.items() if member.process.is_running()}
        tops = [member.process for member in self._members.values() if member.parent_pid not in self._members]
        for process in (child for top in tops for child in _descendants(top)):
            self._members.setdefault(process.pid, _Member(process))

    def read(self) -> tuple[ProcessMemory, ...]:
        """Return the processes that have memory now, by process id."""
        found = (self._read(pid, member) for pid, member in sorted(self._members.items()))
        return tuple(memory for memory in found if memory is not None)

    def read_uss(self, older_than_seconds: float) -> None:
        """Read the USS that has not been read for the longest, if that is longer than `older_than_seconds`."""
        known = [(member.read_at, pid) for pid, member in self._members.items() if member.read_at is not None]
        read_at, pid = min(known, default=(math.inf, 0))
        if self._clock() - read_at >= older_than_seconds:
            self._read_uss(self._members[pid])

    def read_every_uss(self) -> None:
        """Read the USS of all processes now."""
        for member in self._members.values():
            self._read_uss(member)

    def measure(self, pid: int) -> None:
        """Read the USS of one process now, if it is in the tree."""
        if pid not in self._members:
            self.discover()
        if pid in self._members:
            self._read_uss(self._members[pid])

    def close(self) -> None:
        """Forget every process."""
        self._members.clear()

    def _read(self, pid: int, member: _Member) -> ProcessMemory | None:
        if member.read_at is None:
            self._read_uss(member)
        try:
            rss_bytes = member.process.memory_info().rss
            member.parent_pid = member.process.ppid()
        except psutil.Error:
            return None
        if not rss_bytes:  # it has ended, and its parent has not noticed
            return None
        member.peak_rss_bytes = max(member.peak_rss_bytes, rss_bytes)
        return ProcessMemory(
            pid=pid,
            rss_bytes=rss_bytes,
            anonymous_bytes=max(0, rss_bytes - member.other_bytes),
            shared_bytes=0,
            peak_rss_bytes=member.peak_rss_bytes,
            uss_bytes=member.uss_bytes,
            parent_pid=member.parent_pid,
        )

    def _read_uss(self, member: _Member) -> None:
        member.read_at = self._clock()
        try:
            memory = member.process.memory_full_info()
        except psutil.Error:
            return
        member.uss_bytes = memory.uss
        member.other_bytes = max(0, memory.rss - memory.uss)


def _descendants(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []
