"""The control group of this process: where it is, what limits its memory, what it holds that cannot be given back."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from app.memory.kernel_file import KernelFile, parse_table, read_once

_SIGNS = {
    ("memory", 1): "memory.stat",
    ("memory", 2): "memory.stat",
    ("cpu", 1): "cpu.cfs_quota_us",
    ("cpu", 2): "cpu.max",
}
"""A file that a level has where its group has the controller, by controller and version."""

_NO_LIMIT_BYTES = 1 << 60  # v1 writes "no limit" as the largest page-aligned long (9223372036854771712 on x86-64)
_OCTAL = re.compile(r"\\([0-7]{3})")
_HIERARCHICAL = re.compile(rb"^hierarchical_memory_limit (\d+)", re.MULTILINE)
_AVG10 = re.compile(rb"^(some|full) avg10=([0-9.]+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Cgroup:
    """The folders of our own group and its visible ancestors that have the controller, our own first."""

    version: Literal[1, 2]
    levels: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class CgroupLimit:
    """The smallest limit of the ancestry, and the folder where the memory that counts against it is read."""

    limit_bytes: int
    level: Path


@dataclass(frozen=True, slots=True)
class Psi:
    """Percent of the last 10 seconds in which some or all tasks waited for memory (pressure stall information).

    `host`: the figures are of the whole machine (cgroup v1, or no group of our own).
    """

    some_avg10: float
    full_avg10: float
    host: bool


def find_cgroup(root: Path = Path("/"), controller: Literal["memory", "cpu"] = "memory") -> Cgroup | None:
    """Return the group of this process, or None where there is none (or no /proc below `root`).

    A controller is bound to one hierarchy only: v2 is taken where it has this one, else v1 (hybrid machines have a v2
    hierarchy without memory).
    """
    paths = dict(_memberships(read_once(root / "proc/self/cgroup").decode(errors="replace"), controller))
    mounts = list(_mounts(read_once(root / "proc/self/mountinfo").decode(errors="replace"), controller))
    for version in (2, 1):
        sign = _SIGNS[controller, version]
        found = [
            _levels(root, mount, paths[version], sign) for of, *mount in mounts if of == version and version in paths
        ]
        usable = [levels for inside, levels in sorted(found, key=lambda item: not item[0]) if levels]
        if usable:
            return Cgroup(version=2 if version == 2 else 1, levels=usable[0])
    return None


def _memberships(text: str, controller: str) -> Iterator[tuple[int, str]]:
    """Yield (version, path) from `/proc/self/cgroup`: lines `4:memory:/a/b` (v1) and `0::/a/b` (v2)."""
    for line in text.splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" and not controllers:
            yield 2, path
        elif controller in controllers.split(","):
            yield 1, path


def _mounts(text: str, controller: str) -> Iterator[tuple[int, str, str]]:
    """Yield (version, root of the mount in its hierarchy, mount point) from `/proc/self/mountinfo`, proc(5)."""
    for line in text.splitlines():
        before, separator, after = line.partition(" - ")
        fields, kinds = before.split(), after.split()
        if not separator or len(fields) < 5 or len(kinds) < 3:
            continue
        mount_root, mount_point = (_OCTAL.sub(lambda match: chr(int(match[1], 8)), field) for field in fields[3:5])
        if kinds[0] == "cgroup2":
            yield 2, mount_root, mount_point
        elif kinds[0] == "cgroup" and controller in kinds[2].split(","):
            yield 1, mount_root, mount_point


def _levels(root: Path, mount: list[str], path: str, sign: str) -> tuple[bool, tuple[Path, ...]]:
    """Return whether our path lies below this mount, and the folders from it up to the mount point.

    In a container the path is often the host's, which does not exist here: then the mount point is our group.
    """
    mount_root, mount_point = mount
    top = root / mount_point.lstrip("/")
    try:
        own = top / PurePosixPath(path).relative_to(mount_root)
    except ValueError:
        own = top
    inside = ".." not in own.parts and os.access(own, os.F_OK)
    levels = (own, *own.parents[: len(own.parts) - len(top.parts)]) if inside else (top,)
    return inside, tuple(level for level in levels if os.access(level / sign, os.R_OK))


def find_cgroup_limit(group: Cgroup) -> CgroupLimit | None:
    """Return the smallest limit over the ancestry now, or None where nothing limits us."""
    with closing(CgroupLimitReader(group)) as reader:
        return reader.read()


class CgroupLimitReader:
    """Reads the limit again and again, for it can be changed (`docker update`, a pod resized in place).

    v2: `memory.max`, and `memory.high` as well: above it the kernel stalls every allocation, so a service that lets
    its working set pass it stops answering without ever being killed. v1: `memory.limit_in_bytes`, and
    `hierarchical_memory_limit` for ancestors that a namespace hides (read at the outermost level we see). Of equal
    limits the outermost counts: it holds at least as much. Files stay open until `close`.
    """

    def __init__(self, group: Cgroup | None) -> None:
        levels = group.levels if group else ()
        is_v1 = group is not None and group.version == 1
        names = ("memory.limit_in_bytes",) if is_v1 else ("memory.max", "memory.high")
        self._files = [(level, KernelFile(level / name)) for level in levels for name in names]
        self._stat = KernelFile(levels[0] / "memory.stat" if is_v1 else None)

    def read(self) -> CgroupLimit | None:
        """Return the smallest limit over the ancestry, or None where nothing limits us: 3-15 us, measured."""
        found: CgroupLimit | None = None
        for level, file in self._files:
            limit_bytes = _limit(file.read())
            if limit_bytes is not None and (found is None or limit_bytes <= found.limit_bytes):
                found = CgroupLimit(limit_bytes, level)
        hidden = _HIERARCHICAL.search(self._stat.read())
        hidden_bytes = _limit(hidden[1]) if hidden else None
        if hidden_bytes is not None and (found is None or hidden_bytes < found.limit_bytes):
            found = CgroupLimit(hidden_bytes, self._files[-1][0])
        return found

    def close(self) -> None:
        """Close every file; nothing limits us after that."""
        for _, file in self._files:
            file.close()
        self._stat.close()


def _limit(text: bytes) -> int | None:
    number = text.strip()  # "max" on v2
    return int(number) if number.isdigit() and 0 < int(number) < _NO_LIMIT_BYTES else None


class CgroupReader:
    """Reads one group again and again; its files stay open until `close`.

    `oom_group`: the kernel kills the whole group at once; set at any level up to the limiting one (v2 only).
    `mapped_bytes` are the mapped file pages (and mapped shared memory) of the last `working_set`.
    Where the kernel has no such file a method gives None or zero: nothing here raises.
    """

    def __init__(self, group: Cgroup | None, limit: CgroupLimit | None, root: Path = Path("/")) -> None:
        own = group.levels[0] if group else None
        limiting = limit.level if limit else None
        self._version = group.version if group else 0
        self.mapped_bytes = 0
        self.oom_group = _kills_whole_group(group, limit) if group else False
        self._stat = KernelFile(limiting and limiting / "memory.stat")
        self._kernel = KernelFile(limiting and limiting / "memory.kmem.usage_in_bytes")  # v1 only
        self._events = KernelFile(own and own / ("memory.events" if self._version == 2 else "memory.oom_control"))
        self._psi = KernelFile(own and own / "memory.pressure")  # v2 only
        # only the root of the v2 hierarchy has no cgroup.type, and its figures are the machine's
        self._psi_of_host = own is None or not os.access(own / "cgroup.type", os.F_OK)
        self._host_psi = KernelFile(root / "proc/pressure/memory")

    def working_set(self, host_reclaimable_slab_bytes: int) -> int | None:
        """Return the bytes that the kernel cannot give back: anonymous + shared + unreclaimable kernel + mapped file.

        * Shared memory that is mapped is in the mapped pages, too, and no file says how much of it is: what is
          counted is the larger of the two, the least that both together can be. What this may miss are mapped
          *file* pages beside unmapped shared memory, which the kernel can drop; memory that can kill is never missed.
        * v2: `anon` and `shmem` do not overlap (`shmem` is a part of `file`). Kernel = `kernel` (5.18 and later, or
          the sum of its parts) - `slab_reclaimable` + `sock`, as ClickHouse#100901 and lxcfs#671 came to, too.
        * v1 has no slab counters in `memory.stat`, and `memory.kmem.slabinfo` is empty since 5.9, but `kmem` holds
          dentries and inodes: 27 MB after making 20,000 files, 0.9 MB when the room was needed (measured). So the
          part that may be reclaimable is bounded by the machine's (`SReclaimable`), and what exceeds it counts: a
          lower bound that leaves out stacks and page tables (0.2-1 MB a process), not a false alarm of 9 % of 300 MB.
          v1 does not charge socket buffers here.

        Swap is not counted: what is swapped out is not resident. None: nothing could be read.
        """
        stat = parse_table(self._stat.read())
        if not stat:
            return None
        if self._version == 2:
            self.mapped_bytes = stat.get(b"file_mapped", 0)
            mapped_or_shared = max(stat.get(b"shmem", 0), self.mapped_bytes)
            return stat.get(b"anon", 0) + mapped_or_shared + _unreclaimable_kernel(stat)
        names = (b"rss", b"shmem", b"mapped_file")
        rss, shmem, mapped = (stat.get(b"total_" + name, stat.get(name, 0)) for name in names)
        self.mapped_bytes = mapped
        text = self._kernel.read().strip()
        kernel = max(0, int(text) - host_reclaimable_slab_bytes) if text.isdigit() else 0
        return rss + max(shmem, mapped) + kernel

    def oom_kills(self) -> int:
        """Return how many processes of our own group the kernel has killed (v2: of the groups below it, too)."""
        return parse_table(self._events.read()).get(b"oom_kill", 0)

    def psi(self) -> Psi | None:
        """Return the stalls of our own group, else the machine's, else None."""
        for file, host in ((self._psi, self._psi_of_host), (self._host_psi, True)):
            shares = dict(_AVG10.findall(file.read()))
            if b"some" in shares:
                return Psi(float(shares[b"some"]), float(shares.get(b"full", 0.0)), host)
        return None

    def close(self) -> None:
        """Close every file."""
        for file in (self._stat, self._kernel, self._events, self._psi, self._host_psi):
            file.close()


def _kills_whole_group(group: Cgroup, limit: CgroupLimit | None) -> bool:
    levels = group.levels[: group.levels.index(limit.level) + 1] if limit else group.levels
    return any(read_once(level / "memory.oom.group").strip() == b"1" for level in levels)


_KERNEL_PARTS = (b"kernel_stack", b"pagetables", b"sec_pagetables", b"percpu", b"vmalloc", b"slab_unreclaimable")


def _unreclaimable_kernel(stat: dict[bytes, int]) -> int:
    if b"kernel" in stat:
        kernel = stat[b"kernel"] - stat.get(b"slab_reclaimable", 0)
    else:
        kernel = sum(stat.get(part, 0) for part in _KERNEL_PARTS)
    return max(0, kernel) + stat.get(b"sock", 0)
