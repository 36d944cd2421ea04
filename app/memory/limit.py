"""The one memory limit of the process tree, and where it comes from."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from app.memory.cgroup import Cgroup, CgroupLimit, find_cgroup, find_cgroup_limit
from app.memory.kernel_file import parse_table, read_once

LimitSource = Literal["cgroup2", "cgroup1", "setting", "physical"]

_PHYSICAL_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class MemoryLimit:
    """What the process tree may use, and what it was found from.

    `group` is our own control group, whatever gave the limit; `group_limit` the limit found in its ancestry (None:
    no limit, or one that is no smaller than the machine). `physical_bytes` is the memory of the machine,
    `setting_bytes` what a setting asks for.
    """

    limit_bytes: int
    source: LimitSource
    physical_bytes: int
    group: Cgroup | None = None
    group_limit: CgroupLimit | None = None
    setting_bytes: int | None = None

    @property
    def is_of_group(self) -> bool:
        """Whether the limit is the control group's, so that everything in the group counts against it."""
        return self.source in ("cgroup2", "cgroup1")

    def in_group(self, group_limit: CgroupLimit | None) -> MemoryLimit:
        """Return the limit by the rules of `find_limit` where the group's is this one."""
        if group_limit and group_limit.limit_bytes >= self.physical_bytes:
            group_limit = None
        setting = self.setting_bytes
        source: LimitSource
        if setting is not None and (group_limit is None or setting < group_limit.limit_bytes):
            source, limit_bytes = "setting", min(setting, self.physical_bytes)
        elif self.group and group_limit:
            source, limit_bytes = "cgroup2" if self.group.version == 2 else "cgroup1", group_limit.limit_bytes
        else:
            source, limit_bytes = "physical", int(self.physical_bytes * _PHYSICAL_SHARE)
        return replace(self, limit_bytes=limit_bytes, source=source, group_limit=group_limit)


def find_limit(setting: int | None, root: Path = Path("/")) -> MemoryLimit:
    """Find the limit: the control group's, `setting` (bytes) if smaller, else half of physical memory.

    A setting above physical memory is cut to it. `root` is where `/proc` and `/sys` are looked for.
    """
    physical_bytes = _physical_bytes(root)
    group = find_cgroup(root)
    unlimited = MemoryLimit(physical_bytes, "physical", physical_bytes, group, None, setting)
    return unlimited.in_group(find_cgroup_limit(group) if group else None)


def _physical_bytes(root: Path) -> int:
    table = parse_table(read_once(root / "proc/meminfo"))
    return table.get(b"MemTotal") or os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
