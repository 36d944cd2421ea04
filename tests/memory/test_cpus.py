"""Tests of how many processors may be used."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.memory.cpus import available_cpus
from tests.memory.control_groups import PROJECT, V2_MOUNT, write_process, write_tree

CPU = "sys/fs/cgroup"
V1_MOUNT = "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"


@pytest.fixture(autouse=True)
def _sixteen_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(16)))


def _v2(root: Path, **quotas: str) -> None:
    write_process(root, "0::/pod/app\n", V2_MOUNT.format(mount_root="/"))
    paths = {"pod": "pod", "app": "pod/app"}
    write_tree(root, {f"{CPU}/{paths[name]}/cpu.max": f"{text}\n" for name, text in quotas.items()})


@pytest.mark.parametrize(
    ("quota", "expected"),
    [("200000 100000", 2), ("150000 100000", 2), ("10000 100000", 1), ("max 100000", 16), ("9900000 100000", 16)],
)
def test_a_quota_counts_up_to_the_next_whole_processor(tmp_path: Path, quota: str, expected: int) -> None:
    _v2(tmp_path, app=quota)

    assert available_cpus(tmp_path) == expected


def test_the_smallest_quota_of_the_ancestry_counts(tmp_path: Path) -> None:
    _v2(tmp_path, pod="300000 100000", app="50000 10000")

    assert available_cpus(tmp_path) == 3


@pytest.mark.parametrize(("quota", "expected"), [("250000", 3), ("-1", 16), ("0", 16), ("none", 16)])
def test_v1_has_quota_and_period_in_two_files(tmp_path: Path, quota: str, expected: int) -> None:
    write_process(tmp_path, "4:memory:/x\n3:cpu,cpuacct:/app\n0::/\n", V1_MOUNT)
    files = {"cpu.cfs_quota_us": f"{quota}\n", "cpu.cfs_period_us": "100000\n"}
    write_tree(tmp_path, {f"{CPU}/cpu,cpuacct/app/{name}": text for name, text in files.items()})

    assert available_cpus(tmp_path) == expected


def test_a_hybrid_machine_has_the_processor_in_v1(tmp_path: Path) -> None:
    write_process(
        tmp_path, "3:cpu:/app\n0::/app\n", "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n" + V1_MOUNT
    )
    write_tree(tmp_path, {f"{CPU}/unified/app/cgroup.controllers": "hugetlb\n"})
    files = {"cpu.cfs_quota_us": "100000", "cpu.cfs_period_us": "100000"}
    write_tree(tmp_path, {f"{CPU}/cpu,cpuacct/app/{name}": text for name, text in files.items()})

    assert available_cpus(tmp_path) == 1


def test_without_a_group_the_affinity_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {3, 5})

    assert available_cpus(tmp_path) == 2


def test_without_an_affinity_the_machine_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 8)

    assert available_cpus(tmp_path) == 8


def test_a_real_affinity_is_respected() -> None:
    code = """
import os
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
from app.memory.cpus import available_cpus
print(available_cpus())
"""

    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PROJECT)

    assert answer.stdout == "1\n"
