"""A memory control group made for one child process: joined before its program begins, read from outside, removed."""

from __future__ import annotations

import contextlib
import os
import signal
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.memory.cgroup import Cgroup, CgroupLimit, CgroupReader, find_cgroup
from app.memory.kernel_file import parse_table, read_once

_JOIN = 'echo $$ > "$0/cgroup.procs" && exec "$@"'
"""The launcher joins and becomes the program: same process id, and no Python code runs between fork and exec."""

_REMOVE_SECONDS = 10.0


class GroupUnavailable(Exception):
    """No memory control group can be made here; the text says why."""


class MemoryGroup:
    """One group with a limit. Made by `memory_group`."""

    def __init__(self, cgroup: Cgroup, limit_bytes: int) -> None:
        self.path = cgroup.levels[0]
        self.version = cgroup.version
        self.limit_bytes = limit_bytes
        self._reader = CgroupReader(cgroup, CgroupLimit(limit_bytes, self.path))
        self._usage = "memory.current" if cgroup.version == 2 else "memory.usage_in_bytes"

    def joining(self, command: list[str]) -> list[str]:
        """Return the command that runs `command` inside the group."""
        return ["/bin/sh", "-c", _JOIN, str(self.path), *command]

    def working_set_bytes(self) -> int:
        """Return what the kernel cannot give back (`CgroupReader.working_set`)."""
        reclaimable = parse_table(read_once(Path("/proc/meminfo"))).get(b"SReclaimable", 0)
        return self._reader.working_set(reclaimable) or 0

    def usage_bytes(self) -> int:
        """Return everything that is charged, page cache too."""
        text = read_once(self.path / self._usage).strip()
        return int(text) if text.isdigit() else 0

    def mapped_bytes(self) -> int:
        """Return the mapped file pages that are charged to the group."""
        stat = parse_table(read_once(self.path / "memory.stat"))
        return stat.get(b"file_mapped", stat.get(b"total_mapped_file", 0))

    def oom_kills(self) -> int:
        """Return how many processes of the group the kernel has killed."""
        return self._reader.oom_kills()

    def pids(self) -> list[int]:
        """Return the processes inside."""
        return [int(pid) for pid in read_once(self.path / "cgroup.procs").split()]

    def _close(self) -> None:
        self._reader.close()


@contextmanager
def memory_group(limit_bytes: int) -> Iterator[MemoryGroup]:
    """Make a group that may use so many bytes and no swap; at the end kill what is left in it, and remove it.

    It is made inside our own group where that is possible, so that the limits around us hold for it, too, else further
    out: on v2 a group that has processes cannot have children with a memory limit (the "no internal processes" rule).

    Raises:
        GroupUnavailable: none can be made.
    """
    found = find_cgroup()
    if found is None:
        raise GroupUnavailable("this machine shows no memory control group")
    path = _make(found)
    group = None
    try:
        _set_limit(path, found.version, limit_bytes)
        group = MemoryGroup(Cgroup(found.version, (path,)), limit_bytes)
        yield group
    finally:
        if group is not None:
            group._close()
        _remove(path)


def _make(found: Cgroup) -> Path:
    reason = "no level of it has the memory controller for its children"
    for level in found.levels:
        if found.version == 2 and b"memory" not in read_once(level / "cgroup.subtree_control").split():
            continue
        path = level / f"ballast-soak-{uuid.uuid4().hex[:12]}"
        try:
            path.mkdir()
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            continue
        return path
    raise GroupUnavailable(f"the memory control group (v{found.version}) cannot be written: {reason}")


def _set_limit(path: Path, version: int, limit_bytes: int) -> None:
    try:
        if version == 2:
            (path / "memory.max").write_text(str(limit_bytes))
            swap, swap_bytes = path / "memory.swap.max", 0
        else:
            (path / "memory.limit_in_bytes").write_text(str(limit_bytes))
            swap, swap_bytes = path / "memory.memsw.limit_in_bytes", limit_bytes  # v1: memory and swap together
        with contextlib.suppress(OSError):  # a kernel that does not account for swap has no such file
            swap.write_text(str(swap_bytes))
    except OSError as error:
        raise GroupUnavailable(f"no limit can be set: {(error.strerror or str(error)).lower()}") from error


def _remove(path: Path) -> None:
    """Kill what is left in the group and remove it; the kernel takes a moment to let go of a killed process."""
    give_up_at = time.monotonic() + _REMOVE_SECONDS
    while True:
        for pid in read_once(path / "cgroup.procs").split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        try:
            path.rmdir()
        except FileNotFoundError:
            return
        except OSError:
            if time.monotonic() > give_up_at:
                raise
            time.sleep(0.02)
        else:
            return
