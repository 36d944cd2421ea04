"""Control groups for tests: invented ones below a folder, and real ones of this machine."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.memory.cgroup import find_cgroup

MIB = 1024 * 1024
PROJECT = Path(__file__).parents[2]

MEMINFO = "MemTotal:        8388608 kB\nMemFree:  1 kB\nMemAvailable:    4194304 kB\nSReclaimable:      10240 kB\n"
V1_MOUNT = "35 31 0:32 {mount_root} /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
V2_MOUNT = "31 23 0:28 {mount_root} /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
V2_HYBRID_MOUNT = "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n"


def status_text(parent: int, *, rss: int = 100, anonymous: int = 60, shared: int = 10, peak: int = 120) -> str:
    """Return a `/proc/PID/status` with these sizes in KiB."""
    return (
        f"Name:\tpython\nState:\tS (sleeping)\nPPid:\t{parent}\nVmHWM:\t{peak} kB\nVmRSS:\t{rss} kB\n"
        f"RssAnon:\t{anonymous} kB\nRssFile:\t1 kB\nRssShmem:\t{shared} kB\n"
    )


def write_tree(root: Path, files: Mapping[str, str]) -> None:
    """Write the files, given by their path below `root`."""
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def write_process(root: Path, membership: str, mounts: str, meminfo: str = MEMINFO) -> None:
    """Write what the kernel tells a process about itself and the machine."""
    files = {"proc/self/cgroup": membership, "proc/self/mountinfo": mounts, "proc/meminfo": meminfo}
    write_tree(root, files)


@contextmanager
def real_group(limit_bytes: int) -> Iterator[Path]:
    """Make a memory group with this limit at the top of the machine's hierarchy, and remove it with what is in it.

    Skips the test where no group can be made; under CI only if the hierarchy is not writable at all.
    """
    found = find_cgroup()
    if found is None:
        pytest.skip("no memory control group here")
    top = found.levels[-1]
    group = top / f"ballast-test-{uuid.uuid4().hex[:12]}"
    try:
        group.mkdir()
    except OSError as error:
        if os.environ.get("CI") == "true" and os.access(top, os.W_OK):
            raise
        pytest.skip(f"memory control groups cannot be made here: {error}")
    try:
        set_limit(group, limit_bytes)
        yield group
    finally:
        _remove(group)


def set_limit(group: Path, limit_bytes: int) -> None:
    """Give a real group this limit."""
    v2 = group / "memory.max"
    (v2 if v2.exists() else group / "memory.limit_in_bytes").write_text(str(limit_bytes))


def start_in(group: Path, code: str, *arguments: str) -> subprocess.Popen[str]:
    """Start Python code inside the group, with pipes; it sees `sys.argv[1:]` as given."""
    enter = 'echo $$ > "$0/cgroup.procs" && exec "$@"'
    command = ["sh", "-c", enter, str(group), sys.executable, "-c", code, *arguments]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=PROJECT)


def run_in(group: Path, code: str, *arguments: str) -> str:
    """Run Python code inside the group to its end and return what it printed."""
    with start_in(group, code, *arguments) as process:
        output, _ = process.communicate(timeout=50)
    assert process.returncode == 0
    return output


def _remove(group: Path) -> None:
    for _ in range(100):
        for pid in (group / "cgroup.procs").read_text().split():
            os.kill(int(pid), 9)
        try:
            group.rmdir()
        except OSError:
            time.sleep(0.05)  # the kernel takes a moment to let go of a killed process
        else:
            return
    raise AssertionError(f"{group.name} could not be removed")
