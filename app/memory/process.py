"""The memory of a process and all its descendants, read from `/proc`."""

from __future__ import annotations

import math
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from app.memory.kernel_file import KernelFile, parse_table, read_once

_STATUS = re.compile(rb"^(State|PPid|VmHWM|VmRSS|RssAnon|RssShmem):\s+(\w+)", re.MULTILINE)
_UNIQUE = (b"Private_Clean", b"Private_Dirty", b"Private_Hugetlb")

_DISCOVERY_SHARE = 0.0025  # of a core: on a machine with thousands of processes the listing alone takes milliseconds
_DISCOVERY_MAX_SECONDS = 1.0  # but a new child is found at the latest after this time


@dataclass(frozen=True, slots=True)
class ProcessMemory:
    """What one process has, by psutil's names; `uss_bytes` (freed if it ended) is from the last expensive reading."""

    pid: int
    rss_bytes: int
    anonymous_bytes: int
    shared_bytes: int
    peak_rss_bytes: int
    uss_bytes: int | None
    parent_pid: int = 0

    @property
    def file_bytes(self) -> int:
        """Mapped file pages: libraries, model bundles. Shared with others, and the kernel can drop them."""
        return max(0, self.rss_bytes - self.anonymous_bytes - self.shared_bytes)


@dataclass(slots=True, eq=False)
class _Member:
    status: KernelFile
    uss_bytes: int | None = None
    uss_at: float = -math.inf


class ProcessTree:
    """A process and its descendants, whoever started them (a worker's FFmpeg counts).

    `discover` finds them. `/proc/PID/task/*/children` would name them, but many kernels are built without it, so
    `/proc` is listed and the parent of each process not seen before is read once. The listing is left out while the
    newest process id (last field of `/proc/loadavg`) stays the same: nothing was started since. A descendant whose
    parent has ended stays in the tree until it ends itself.

    Not safe to be used by two threads at a time.
    """

    def __init__(self, pid: int, root: Path = Path("/"), clock: Callable[[], float] = time.monotonic) -> None:
        self._pid = pid
        self._proc = root / "proc"
        self._clock = clock
        self._newest_pid = KernelFile(self._proc / "loadavg")
        self._members = {pid: _Member(KernelFile(self._status(pid)))}
        self._strangers: set[int] = set()
        self._seen_newest = b""
        self._discover_from = -math.inf

    def refresh(self) -> None:
        """Look for new descendants, unless there can be none or the last look was too expensive to repeat so soon."""
        started = self._clock()
        newest = self._newest_pid.read().rpartition(b" ")[2].strip()
        if started < self._discover_from or (newest == self._seen_newest and newest not in (b"", b"0")):
            return
        self._seen_newest = newest
        self.discover()
        cost_seconds = self._clock() - started
        self._discover_from = started + min(cost_seconds / _DISCOVERY_SHARE, _DISCOVERY_MAX_SECONDS)

    def discover(self) -> None:
        """Look for new descendants now."""
        try:
            listed = {int(name) for name in os.listdir(self._proc) if name.isdigit()}  # noqa: PTH208 - the names are all it takes
        except OSError:
            return
        self._strangers &= listed
        unknown = listed - self._strangers - self._members.keys()
        parents = {pid: parent for pid in unknown if (parent := self._parent(pid)) is not None}
        while joined := [pid for pid, parent in parents.items() if parent in self._members]:
            for pid in joined:
                self._members[pid] = _Member(KernelFile(self._status(pid)))
                del parents[pid]
        self._strangers.update(parents)

    def read(self) -> tuple[ProcessMemory, ...]:
        """Return the processes that have memory now, by process id. Ended ones are left out and forgotten."""
        found: list[ProcessMemory] = []
        for pid, member in sorted(self._members.items()):
            fields = _fields(member.status.read())
            if b"VmRSS" in fields:
                found.append(_process_memory(pid, fields, member.uss_bytes))
            elif pid != self._pid and fields.get(b"State", b"Z") in (b"Z", b"X"):
                member.status.close()
                del self._members[pid]
        return tuple(found)

    def read_uss(self, older_than_seconds: float) -> None:
        """Read the USS that has not been read for the longest, if that is longer than `older_than_seconds`.

        One process a call: reading it costs 0.1-2 ms (`smaps_rollup` walks the page tables of the process).
        """
        now = self._clock()
        stalest = min(self._members.items(), key=lambda item: item[1].uss_at, default=None)
        if stalest is not None and now - stalest[1].uss_at >= older_than_seconds:
            self._measure_uss(*stalest, now)

    def read_every_uss(self) -> None:
        """Read the USS of all processes now."""
        now = self._clock()
        for pid, member in self._members.items():
            self._measure_uss(pid, member, now)

    def close(self) -> None:
        """Close every file."""
        self._newest_pid.close()
        for member in self._members.values():
            member.status.close()
        self._members.clear()

    def _status(self, pid: int) -> Path:
        return self._proc / str(pid) / "status"

    def _parent(self, pid: int) -> int | None:
        """Return the parent, or None where it cannot be read now: the process is looked at again the next time."""
        parent = _fields(read_once(self._status(pid))).get(b"PPid")
        return None if parent is None else int(parent)

    def _measure_uss(self, pid: int, member: _Member, now: float) -> None:
        table = parse_table(read_once(self._proc / str(pid) / "smaps_rollup"))
        if table:  # nothing: no permission, no such file, or the process has just ended
            member.uss_bytes = sum(table.get(name, 0) for name in _UNIQUE)
        member.uss_at = now


def _fields(status: bytes) -> dict[bytes, bytes]:
    return dict(_STATUS.findall(status))


def _process_memory(pid: int, fields: dict[bytes, bytes], uss_bytes: int | None) -> ProcessMemory:
    """Read the fields of proc(5); a kernel without `RssAnon` (sandboxed ones) has all of it counted as anonymous."""
    kib = {name: int(value) for name, value in fields.items() if value.isdigit()}
    rss_bytes = kib[b"VmRSS"] * 1024
    return ProcessMemory(
        pid=pid,
        rss_bytes=rss_bytes,
        anonymous_bytes=kib[b"RssAnon"] * 1024 if b"RssAnon" in kib else rss_bytes,
        shared_bytes=kib.get(b"RssShmem", 0) * 1024,
        peak_rss_bytes=max(kib.get(b"VmHWM", 0) * 1024, rss_bytes),
        uss_bytes=uss_bytes,
        parent_pid=kib.get(b"PPid", 0),
    )
