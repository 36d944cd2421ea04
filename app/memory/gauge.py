"""The gauge: what the process tree holds of its memory limit, read a few times a second."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from app.memory.cgroup import CgroupLimitReader, CgroupReader, Psi
from app.memory.kernel_file import KernelFile, parse_table
from app.memory.limit import LimitSource, MemoryLimit
from app.memory.process import ProcessMemory, ProcessTree


@dataclass(frozen=True, slots=True)
class MemorySample:
    """One look at the memory; see `CgroupReader.working_set` for what counts.

    `available_bytes` is what is left of the limit, `host_available_bytes` the machine's MemAvailable (None: unknown).
    `processes` are the process itself and its descendants, by process id. `sampled_at` is UTC, `monotonic_seconds`
    the gauge's clock.
    """

    working_set_bytes: int
    limit_bytes: int
    limit_source: LimitSource
    host_available_bytes: int | None
    psi: Psi | None
    oom_kills: int
    oom_group: bool
    processes: tuple[ProcessMemory, ...]
    sampled_at: datetime
    monotonic_seconds: float
    mapped_bytes: int = 0

    @property
    def available_bytes(self) -> int:
        """What is left of the limit; never negative."""
        return max(0, self.limit_bytes - self.working_set_bytes)

    def resident_bytes(self) -> dict[int, int]:
        """Return each process's part of the working set, by process id.

        Its anonymous and shared memory, and of the group's mapped file pages a part by its own: a page that several
        processes map is charged once, so their sum is cut to what the group was charged for.
        """
        return _resident_bytes(self.processes, self.mapped_bytes)

    @property
    def pressure(self) -> float:
        """Working set over limit."""
        return self.working_set_bytes / self.limit_bytes


class PortableReader(Protocol):
    """What reads the processes and the machine where there is no `/proc`; `ProcessTree` says what each member does."""

    def host_available_bytes(self) -> int: ...
    def refresh(self) -> None: ...
    def discover(self) -> None: ...
    def read(self) -> tuple[ProcessMemory, ...]: ...
    def read_uss(self, older_than_seconds: float) -> None: ...
    def read_every_uss(self) -> None: ...
    def measure(self, pid: int) -> None: ...
    def close(self) -> None: ...


class MemoryGauge:
    """Measures the working set against a limit, which is read again with each sample: it can be changed at any time.

    Where the limit is the control group's, everything in the group counts, read at the level that gave the limit.
    Where it is a setting or a part of physical memory, the process tree's own anonymous + shared memory counts
    (others may share the group), and of a page that several of them share each one's part (`ProcessTree`).

    Files stay open until `close`. psutil is imported only where there is no `/proc` (record 0008). Use it from one
    thread at a time.
    """

    def __init__(
        self,
        limit: MemoryLimit,
        *,
        pid: int | None = None,
        root: Path = Path("/"),
        detail_seconds: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
        portable: PortableReader | None = None,
    ) -> None:
        """`portable` reads the processes; by default it is psutil where this is not Linux."""
        if portable is None and sys.platform != "linux":
            portable = _open_psutil(pid or os.getpid(), clock)
        self._limit = limit
        self._root = root
        self._detail_seconds = detail_seconds
        self._clock = clock
        self._meminfo = KernelFile(root / "proc/meminfo")
        self._group = CgroupReader(limit.group, limit.group_limit, root)
        self._group_limit = CgroupLimitReader(limit.group)
        self._portable = portable
        self._tree = portable or ProcessTree(pid or os.getpid(), root, clock)

    @property
    def limit(self) -> MemoryLimit:
        """The limit as of the last sample."""
        return self._limit

    def sample(self, *, detail: bool = False) -> MemorySample:
        """Measure now: some 100 us for three processes.

        The USS of one process is read anew where it is older than `detail_seconds`; `detail` reads all of them and
        looks for new processes whatever it costs (some ms).
        """
        if detail:
            self._tree.discover()
            self._tree.read_every_uss()
        else:
            self._tree.refresh()
            self._tree.read_uss(self._detail_seconds)
        self._follow_limit()
        host = parse_table(self._meminfo.read())
        processes = self._tree.read()
        return MemorySample(
            working_set_bytes=self._working_set(processes, host.get(b"SReclaimable", 0)),
            limit_bytes=self._limit.limit_bytes,
            limit_source=self._limit.source,
            host_available_bytes=self._portable.host_available_bytes() if self._portable else host.get(b"MemAvailable"),
            psi=self._group.psi(),
            oom_kills=self._group.oom_kills(),
            oom_group=self._group.oom_group,
            processes=processes,
            sampled_at=datetime.now(UTC),
            monotonic_seconds=self._clock(),
            mapped_bytes=self._mapped_bytes,
        )

    def measure(self, pid: int) -> int:
        """Return what one process of the tree has now, counted as by `MemorySample.resident_bytes`; 0 if it is gone.

        Takes about a millisecond: what it shares is read anew.
        """
        self._tree.measure(pid)
        return _resident_bytes(self._tree.read(), self._mapped_bytes).get(pid, 0)

    def private_bytes(self, pid: int) -> int:
        """Return what a process has without the files that it maps; what it shares is as last measured."""
        return next((one.anonymous_bytes + one.shared_bytes for one in self._tree.read() if one.pid == pid), 0)

    def close(self) -> None:
        """Close every file; later samples read nothing."""
        for part in (self._meminfo, self._group, self._group_limit, self._tree):
            part.close()

    def _follow_limit(self) -> None:
        limit = self._limit.in_group(self._group_limit.read())
        if limit != self._limit:
            self._limit = limit
            self._group.close()
            self._group = CgroupReader(limit.group, limit.group_limit, self._root)  # the level may be another one

    @property
    def _mapped_bytes(self) -> int:
        return self._group.mapped_bytes if self._limit.is_of_group else 0

    def _working_set(self, processes: tuple[ProcessMemory, ...], host_reclaimable_slab_bytes: int) -> int:
        if self._limit.is_of_group:
            of_group = self._group.working_set(host_reclaimable_slab_bytes)
            if of_group is not None:
                return of_group
        return sum(process.anonymous_bytes + process.shared_bytes for process in processes)


def _open_psutil(pid: int, clock: Callable[[], float]) -> PortableReader:
    from app.memory.psutil_tree import PsutilTree

    return PsutilTree(pid, clock)


def _resident_bytes(processes: tuple[ProcessMemory, ...], mapped_bytes: int) -> dict[int, int]:
    file_bytes = sum(process.file_bytes for process in processes)
    share = min(1.0, mapped_bytes / file_bytes) if file_bytes else 0.0
    return {
        process.pid: process.anonymous_bytes + process.shared_bytes + int(process.file_bytes * share)
        for process in processes
    }
