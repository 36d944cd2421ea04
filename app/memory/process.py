"""The memory of a process and all its descendants, read from `/proc`."""

from __future__ import annotations

import math
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from app.memory.kernel_file import KernelFile, read_once
from app.memory.rollup import NOTHING_SHARED, Rollup, read_rollup

_STATUS = re.compile(rb"^(State|PPid|VmHWM|VmRSS|RssAnon|RssShmem):\s+(\w+)", re.MULTILINE)
_FORKED_BYTES = (
    1024 * 1024
)  # a process that shares less has no forked relatives: after an exec nothing is left to share

_DISCOVERY_SHARE = 0.0025  # of a core: on a machine with thousands of processes the listing alone takes milliseconds
_DISCOVERY_MAX_SECONDS = 1.0  # but a new child is found at the latest after this time


@dataclass(frozen=True, slots=True)
class ProcessMemory:
    """What one process has, by psutil's names.

    `rss_bytes` counts every page that is mapped. `anonymous_bytes` and `shared_bytes` (shmem) are what is its own and
    its part of what it shares with forked relatives; `relatives_bytes` is the other parts, so that the three and
    `file_bytes` add up to the RSS. `uss_bytes` (freed if it ended) is from the last expensive reading.
    """

    pid: int
    rss_bytes: int
    anonymous_bytes: int
    shared_bytes: int
    peak_rss_bytes: int
    uss_bytes: int | None
    parent_pid: int = 0
    relatives_bytes: int = 0

    @property
    def file_bytes(self) -> int:
        """Mapped file pages: libraries, model bundles. Shared with others, and the kernel can drop them."""
        return max(0, self.rss_bytes - self.anonymous_bytes - self.shared_bytes - self.relatives_bytes)


@dataclass(slots=True, eq=False)
class _Member:
    """`read_at` is when its rollup was read (None: never yet; minus infinity: it must be read again)."""

    status: KernelFile
    parent_pid: int
    rollup: Rollup = NOTHING_SHARED
    uss_bytes: int | None = None
    read_at: float | None = None

    @property
    def is_forked(self) -> bool:
        return self.rollup.away_bytes > _FORKED_BYTES


class ProcessTree:
    """A process and its descendants, whoever started them (a worker's FFmpeg counts).

    `discover` finds them. `/proc/PID/task/*/children` would name them, but many kernels are built without it, so
    `/proc` is listed and the parent of each process not seen before is read once. The listing is left out while the
    newest process id (last field of `/proc/loadavg`) stays the same: nothing was started since. A descendant whose
    parent has ended stays in the tree until it ends itself.

    RssAnon of a forked process counts every page that it has not written to yet, as it does in its parent. So what is
    others' of it (`Rollup`) is measured when it is seen first, and from time to time (`read_uss`); in between the last
    difference is taken off. When a forked process comes or goes, its parent is measured at once and its other
    relatives by the next readings of `read_uss`: until then they count as before.

    Not safe to be used by two threads at a time.
    """

    def __init__(self, pid: int, root: Path = Path("/"), clock: Callable[[], float] = time.monotonic) -> None:
        self._pid = pid
        self._proc = root / "proc"
        self._clock = clock
        self._newest_pid = KernelFile(self._proc / "loadavg")
        self._members = {pid: _Member(KernelFile(self._status(pid)), parent_pid=0)}
        self._strangers: set[int] = set()
        self._parents_of_forks: set[int] = set()  # of those that came or went since the last `read`
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
                self._members[pid] = _Member(KernelFile(self._status(pid)), parents.pop(pid))
        self._strangers.update(parents)

    def read(self) -> tuple[ProcessMemory, ...]:
        """Return the processes that have memory now, by process id. Ended ones are left out and forgotten."""
        found = self._statuses()
        for pid, kib in found.items():
            member = self._members[pid]
            # Less than what it shared: it has become another program since.
            if member.read_at is None or kib.get(b"RssAnon", 0) * 1024 < member.rollup.anonymous_away_bytes:
                self._read_rollup(pid, member)
        self._follow_forks()
        return tuple(_process_memory(pid, kib, self._members[pid]) for pid, kib in found.items())

    def read_uss(self, older_than_seconds: float) -> None:
        """Read the rollup (USS, and what is shared) that has not been read for the longest, if for longer than that.

        One process a call, because it is expensive (`read_rollup`).
        """
        known = [(member.read_at, pid) for pid, member in self._members.items() if member.read_at is not None]
        read_at, pid = min(known, default=(math.inf, 0))
        if self._clock() - read_at >= older_than_seconds:
            self._read_rollup(pid, self._members[pid])

    def read_every_uss(self) -> None:
        """Read the rollups of all processes now."""
        for pid, member in self._members.items():
            self._read_rollup(pid, member)
        self._parents_of_forks.clear()

    def measure(self, pid: int) -> None:
        """Read the rollup of one process now, if it is in the tree."""
        if pid not in self._members:
            self.discover()
        if pid in self._members:
            self._read_rollup(pid, self._members[pid])

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

    def _statuses(self) -> dict[int, dict[bytes, int]]:
        """Return the sizes (KiB) of those that have memory, by process id."""
        found: dict[int, dict[bytes, int]] = {}
        for pid, member in sorted(self._members.items()):
            fields = _fields(member.status.read())
            if b"VmRSS" in fields:
                found[pid] = _kib(fields)
                member.parent_pid = found[pid].get(b"PPid", 0)
            elif pid != self._pid and fields.get(b"State", b"Z") in (b"Z", b"X"):
                self._note_fork(member)
                member.status.close()
                del self._members[pid]
        return found

    def _read_rollup(self, pid: int, member: _Member) -> None:
        was_forked = member.is_forked
        kib = _kib(_fields(member.status.read()))
        if b"VmRSS" in kib:  # else it has just ended: `read` will see that
            rollup = read_rollup(self._proc / str(pid) / "smaps_rollup", kib.get(b"RssShmem", 0) * 1024)
            member.uss_bytes = rollup.uss_bytes if rollup is not None else None
            member.rollup = rollup or NOTHING_SHARED
        member.read_at = self._clock()
        if not was_forked:
            self._note_fork(member)

    def _note_fork(self, member: _Member) -> None:
        if member.is_forked:
            self._parents_of_forks.add(member.parent_pid)

    def _follow_forks(self) -> None:
        if not self._parents_of_forks:
            return
        for member in self._members.values():
            if member.is_forked:
                member.read_at = -math.inf
        for pid in self._parents_of_forks & self._members.keys():
            self._read_rollup(pid, self._members[pid])
        self._parents_of_forks.clear()


def _fields(status: bytes) -> dict[bytes, bytes]:
    return dict(_STATUS.findall(status))


def _kib(fields: dict[bytes, bytes]) -> dict[bytes, int]:
    return {name: int(value) for name, value in fields.items() if value.isdigit()}


def _process_memory(pid: int, kib: dict[bytes, int], member: _Member) -> ProcessMemory:
    """Read the fields of proc(5); a kernel without `RssAnon` (sandboxed ones) has all of it counted as anonymous."""
    rss_bytes = kib[b"VmRSS"] * 1024
    anonymous_bytes = kib[b"RssAnon"] * 1024 if b"RssAnon" in kib else rss_bytes
    shmem_bytes = kib.get(b"RssShmem", 0) * 1024
    anonymous_away_bytes = min(anonymous_bytes, member.rollup.anonymous_away_bytes)
    shmem_away_bytes = min(shmem_bytes, member.rollup.shmem_away_bytes)
    return ProcessMemory(
        pid=pid,
        rss_bytes=rss_bytes,
        anonymous_bytes=anonymous_bytes - anonymous_away_bytes,
        shared_bytes=shmem_bytes - shmem_away_bytes,
        peak_rss_bytes=max(kib.get(b"VmHWM", 0) * 1024, rss_bytes),
        uss_bytes=member.uss_bytes,
        parent_pid=member.parent_pid,
        relatives_bytes=anonymous_away_bytes + shmem_away_bytes,
    )
