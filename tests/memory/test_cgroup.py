"""Tests of the control group: which one is ours, what limits it, what it holds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.memory.cgroup import CgroupLimit, CgroupReader, Psi, find_cgroup, find_cgroup_limit
from app.memory.kernel_file import KernelFile, parse_table
from app.memory.limit import find_limit
from tests.memory.control_groups import (
    MIB,
    V1_MOUNT,
    V2_HYBRID_MOUNT,
    V2_MOUNT,
    real_group,
    start_in,
    write_process,
    write_tree,
)

UNLIMITED_V1 = "9223372036854771712\n"
V2 = "sys/fs/cgroup"
V1 = "sys/fs/cgroup/memory"


def test_v2_takes_the_smallest_limit_of_the_ancestry(tmp_path: Path) -> None:
    write_process(tmp_path, "0::/pod/app\n", V2_MOUNT.format(mount_root="/"))
    write_tree(tmp_path, {f"{V2}/memory.stat": "", f"{V2}/pod/memory.stat": "", f"{V2}/pod/app/memory.stat": ""})
    write_tree(tmp_path, {f"{V2}/pod/memory.max": f"{300 * MIB}\n", f"{V2}/pod/app/memory.max": f"{400 * MIB}\n"})

    limit = find_limit(None, tmp_path)

    assert (limit.limit_bytes, limit.source) == (300 * MIB, "cgroup2")
    assert limit.group_limit == CgroupLimit(300 * MIB, tmp_path / V2 / "pod")


def test_v2_memory_high_limits_too(tmp_path: Path) -> None:
    write_process(tmp_path, "0::/app\n", V2_MOUNT.format(mount_root="/"))
    files = {"memory.stat": "", "memory.max": "max\n", "memory.high": f"{200 * MIB}\n"}
    write_tree(tmp_path, {f"{V2}/app/{name}": text for name, text in files.items()})

    limit = find_limit(None, tmp_path)

    assert (limit.limit_bytes, limit.source) == (200 * MIB, "cgroup2")


def test_of_two_equal_limits_the_outer_one_counts(tmp_path: Path) -> None:
    write_process(tmp_path, "0::/pod/app\n", V2_MOUNT.format(mount_root="/"))
    for level in ("pod", "pod/app"):
        write_tree(tmp_path, {f"{V2}/{level}/memory.stat": "", f"{V2}/{level}/memory.max": f"{300 * MIB}"})

    limit = find_limit(None, tmp_path)

    assert limit.group_limit == CgroupLimit(300 * MIB, tmp_path / V2 / "pod")


def test_a_level_without_the_memory_controller_is_left_out(tmp_path: Path) -> None:
    write_process(tmp_path, "0::/slice/scope\n", V2_MOUNT.format(mount_root="/"))
    write_tree(tmp_path, {f"{V2}/slice/memory.stat": "", f"{V2}/slice/scope/cgroup.procs": ""})

    group = find_cgroup(tmp_path)

    assert group is not None
    assert group.levels == (tmp_path / V2 / "slice",)


def test_v1_takes_the_smallest_limit_and_ignores_the_unlimited_value(tmp_path: Path) -> None:
    write_process(tmp_path, "9:name=systemd:/x\n4:cpu,memory:/a/b\n0::/\n", V1_MOUNT.format(mount_root="/"))
    for level, text in (("", UNLIMITED_V1), ("/a", f"{300 * MIB}\n"), ("/a/b", UNLIMITED_V1)):
        write_tree(tmp_path, {f"{V1}{level}/memory.stat": "", f"{V1}{level}/memory.limit_in_bytes": text})

    limit = find_limit(None, tmp_path)

    assert (limit.limit_bytes, limit.source) == (300 * MIB, "cgroup1")
    assert limit.group_limit == CgroupLimit(300 * MIB, tmp_path / V1 / "a")


def test_v1_honours_a_limit_of_an_ancestor_that_the_namespace_hides(tmp_path: Path) -> None:
    write_process(tmp_path, "4:memory:/\n", V1_MOUNT.format(mount_root="/"))
    stat = f"hierarchical_memory_limit {250 * MIB}\n"
    write_tree(tmp_path, {f"{V1}/memory.stat": stat, f"{V1}/memory.limit_in_bytes": UNLIMITED_V1})

    limit = find_limit(None, tmp_path)

    assert limit.group_limit == CgroupLimit(250 * MIB, tmp_path / V1)


def test_hybrid_takes_v1_where_v2_has_no_memory_controller(tmp_path: Path) -> None:
    mounts = V2_HYBRID_MOUNT + V1_MOUNT.format(mount_root="/")
    write_process(tmp_path, "4:memory:/app\n0::/app\n", mounts)
    write_tree(tmp_path, {"sys/fs/cgroup/unified/app/cgroup.controllers": "hugetlb\n"})
    write_tree(tmp_path, {f"{V1}/app/memory.stat": "", f"{V1}/app/memory.limit_in_bytes": str(300 * MIB)})

    limit = find_limit(None, tmp_path)

    assert (limit.limit_bytes, limit.source) == (300 * MIB, "cgroup1")


@pytest.mark.parametrize("mount_root", ["/", "/docker/0123", "/../.."])
def test_a_path_that_a_namespace_hides_falls_back_to_the_mount_point(tmp_path: Path, mount_root: str) -> None:
    write_process(tmp_path, "0::/docker/0123\n", V2_MOUNT.format(mount_root=mount_root))
    write_tree(tmp_path, {f"{V2}/memory.stat": "", f"{V2}/memory.max": str(300 * MIB)})

    limit = find_limit(None, tmp_path)

    assert limit.group_limit == CgroupLimit(300 * MIB, tmp_path / V2)


def test_a_path_out_of_the_namespace_is_not_followed(tmp_path: Path) -> None:
    write_process(tmp_path, "0::/../other\n", V2_MOUNT.format(mount_root="/"))
    write_tree(tmp_path, {f"{V2}/memory.stat": "", "sys/fs/other/memory.stat": "", "sys/fs/other/memory.max": "4096"})

    group = find_cgroup(tmp_path)

    assert group is not None
    assert group.levels == (tmp_path / V2,)


def test_a_mount_point_with_a_space_is_found(tmp_path: Path) -> None:
    mount = V2_MOUNT.format(mount_root="/").replace("/sys/fs/cgroup", "/my\\040groups")
    write_process(tmp_path, "0::/\n", mount)
    write_tree(tmp_path, {"my groups/memory.stat": "", "my groups/memory.max": str(300 * MIB)})

    assert find_limit(None, tmp_path).limit_bytes == 300 * MIB


def test_without_a_limit_half_of_physical_memory_counts(tmp_path: Path) -> None:
    write_process(tmp_path, "0::/\n", V2_MOUNT.format(mount_root="/"))
    write_tree(tmp_path, {f"{V2}/memory.stat": "", f"{V2}/memory.max": "max\n"})

    limit = find_limit(None, tmp_path)

    assert (limit.limit_bytes, limit.source, limit.group_limit) == (4096 * MIB, "physical", None)


def test_a_limit_above_physical_memory_is_none(tmp_path: Path) -> None:
    write_process(tmp_path, "0::/\n", V2_MOUNT.format(mount_root="/"))
    write_tree(tmp_path, {f"{V2}/memory.stat": "", f"{V2}/memory.max": str(9000 * MIB)})

    assert find_limit(None, tmp_path).source == "physical"


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        (200 * MIB, (200 * MIB, "setting")),
        (300 * MIB, (300 * MIB, "cgroup2")),
        (400 * MIB, (300 * MIB, "cgroup2")),
    ],
)
def test_the_setting_counts_only_if_it_is_smaller(tmp_path: Path, setting: int, expected: tuple[int, str]) -> None:
    write_process(tmp_path, "0::/\n", V2_MOUNT.format(mount_root="/"))
    write_tree(tmp_path, {f"{V2}/memory.stat": "", f"{V2}/memory.max": str(300 * MIB)})

    limit = find_limit(setting, tmp_path)

    assert (limit.limit_bytes, limit.source) == expected


def test_a_setting_without_any_group_is_cut_to_physical_memory(tmp_path: Path) -> None:
    write_process(tmp_path, "", "")

    limits = [find_limit(setting, tmp_path) for setting in (100 * MIB, 9000 * MIB)]

    assert [(limit.limit_bytes, limit.source) for limit in limits] == [
        (100 * MIB, "setting"),
        (8192 * MIB, "setting"),
    ]


def test_a_machine_without_proc_has_a_limit_all_the_same(tmp_path: Path) -> None:
    limit = find_limit(None, tmp_path)

    assert limit.source == "physical"
    assert limit.limit_bytes > 0


_OPEN: list[CgroupReader] = []


@pytest.fixture(autouse=True)
def _readers_are_closed() -> Iterator[None]:
    yield
    while _OPEN:
        _OPEN.pop().close()


def _reader(root: Path, version: int, stat: str, **files: str) -> CgroupReader:
    folder = V2 if version == 2 else V1
    membership = "0::/app\n" if version == 2 else "4:memory:/app\n"
    write_process(root, membership, (V2_MOUNT if version == 2 else V1_MOUNT).format(mount_root="/"))
    limit_file = "memory.max" if version == 2 else "memory.limit_in_bytes"
    write_tree(root, {f"{folder}/app/memory.stat": stat, f"{folder}/app/{limit_file}": str(300 * MIB)})
    write_tree(root, {f"{folder}/app/{name.replace('__', '.')}": text for name, text in files.items()})
    group = find_cgroup(root)
    assert group is not None
    reader = CgroupReader(group, find_cgroup_limit(group), root)
    _OPEN.append(reader)
    return reader


def test_v2_counts_anonymous_shared_kernel_and_mapped_memory_but_no_cache(tmp_path: Path) -> None:
    stat = (
        f"anon {100 * MIB}\nfile {150 * MIB}\nkernel {12 * MIB}\nslab_reclaimable {10 * MIB}\nsock {3 * MIB}\n"
        f"shmem {5 * MIB}\nfile_mapped {20 * MIB}\nactive_file {90 * MIB}\ninactive_file {60 * MIB}\n"
    )

    working_set = _reader(tmp_path, 2, stat).working_set(0)

    assert working_set == (100 + 20 + 2 + 3) * MIB


def test_v2_before_the_kernel_sum_adds_its_parts(tmp_path: Path) -> None:
    stat = f"anon {MIB}\nkernel_stack {MIB}\npagetables {MIB}\nslab_unreclaimable {MIB}\nslab_reclaimable {9 * MIB}\n"

    assert _reader(tmp_path, 2, stat).working_set(0) == 4 * MIB


def test_shared_memory_that_is_mapped_counts_once(tmp_path: Path) -> None:
    stat = f"anon 0\nshmem {50 * MIB}\nfile_mapped {50 * MIB}\n"

    assert _reader(tmp_path, 2, stat).working_set(0) == 50 * MIB


def test_v1_counts_the_whole_subtree_and_the_kernel_memory_that_cannot_be_slab_cache(tmp_path: Path) -> None:
    stat = (
        f"rss 1\nshmem 1\nmapped_file 1\ntotal_rss {100 * MIB}\ntotal_shmem {5 * MIB}\ntotal_mapped_file {20 * MIB}\n"
    )
    reader = _reader(tmp_path, 1, stat, memory__kmem__usage_in_bytes=f"{40 * MIB}\n")

    assert reader.working_set(host_reclaimable_slab_bytes=30 * MIB) == 130 * MIB
    assert reader.working_set(host_reclaimable_slab_bytes=90 * MIB) == 120 * MIB


def test_v1_without_hierarchy_reads_the_plain_names(tmp_path: Path) -> None:
    assert _reader(tmp_path, 1, "rss 4096\nshmem 4096\nmapped_file 0\n").working_set(0) == 8192


def test_an_unreadable_stat_gives_none(tmp_path: Path) -> None:
    assert _reader(tmp_path, 2, "").working_set(0) is None


def test_v2_reads_oom_kills_the_oom_group_and_its_own_psi(tmp_path: Path) -> None:
    psi = "some avg10=12.50 avg60=1.00 avg300=0.00 total=9\nfull avg10=2.25 avg60=1.00 avg300=0.00 total=9\n"
    files = {
        "memory__events": "low 0\noom 4\noom_kill 3\noom_group_kill 1\n",
        "memory__oom__group": "1\n",
        "memory__pressure": psi,
        "cgroup__type": "domain\n",
    }

    reader = _reader(tmp_path, 2, "anon 1\n", **files)

    assert (reader.oom_kills(), reader.oom_group, reader.psi()) == (3, True, Psi(12.5, 2.25, host=False))


def test_an_oom_group_of_the_limiting_ancestor_is_seen(tmp_path: Path) -> None:
    write_process(tmp_path, "0::/pod/app\n", V2_MOUNT.format(mount_root="/"))
    write_tree(tmp_path, {f"{V2}/pod/memory.stat": "", f"{V2}/pod/app/memory.stat": ""})
    write_tree(tmp_path, {f"{V2}/pod/memory.max": "4096", f"{V2}/pod/memory.oom.group": "1\n"})
    group = find_cgroup(tmp_path)
    assert group is not None

    reader = CgroupReader(group, find_cgroup_limit(group), tmp_path)
    _OPEN.append(reader)

    assert reader.oom_group


def test_v1_reads_its_oom_kills_and_the_psi_of_the_host(tmp_path: Path) -> None:
    write_tree(tmp_path, {"proc/pressure/memory": "some avg10=7.00 avg60=0 avg300=0 total=1\n"})
    control = "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n"

    reader = _reader(tmp_path, 1, "rss 1\n", memory__oom_control=control)

    assert (reader.oom_kills(), reader.oom_group, reader.psi()) == (2, False, Psi(7.0, 0.0, host=True))


def test_without_any_group_nothing_is_read_and_nothing_raises(tmp_path: Path) -> None:
    reader = CgroupReader(None, None, tmp_path)

    assert (reader.working_set(0), reader.oom_kills(), reader.oom_group, reader.psi()) == (None, 0, False, None)


@given(st.text(), st.text())
def test_no_text_of_the_kernel_makes_the_search_fail(tmp_path_factory: pytest.TempPathFactory, a: str, b: str) -> None:
    root = tmp_path_factory.mktemp("root")
    write_tree(
        root, {"proc/self/cgroup": a.replace("\x00", ""), "proc/self/mountinfo": "1 2 0:1 / /x rw - cgroup2 c " + b}
    )

    group = find_cgroup(root)

    assert group is None


@given(st.dictionaries(st.from_regex(rb"[a-z_]{1,20}", fullmatch=True), st.integers(0, 1 << 63)), st.binary())
def test_a_table_keeps_every_line_it_can_read(table: dict[bytes, int], noise: bytes) -> None:
    text = b"".join(b"%s %d\n" % item for item in table.items())

    read = parse_table(b"!" + noise.replace(b" ", b"") + b"\n" + text)

    assert read == table


def test_a_kernel_file_reads_anew_each_time_and_nothing_after_its_close(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("one")
    file = KernelFile(tmp_path / "file")

    first = file.read()
    (tmp_path / "file").write_text("two")
    second = file.read()
    file.close()

    assert (first, second, file.read()) == (b"one", b"two", b"")


def test_a_real_group_is_found_with_its_limit_and_counts_a_kernel_oom_kill() -> None:
    code = """
import signal, subprocess, sys
from app.memory.cgroup import CgroupReader
from app.memory.limit import find_limit
limit = find_limit(None)
reader = CgroupReader(limit.group, limit.group_limit)
before = reader.oom_kills()
hungry = subprocess.run([sys.executable, "-c", "b'x' * (90 << 20)"])
print(limit.limit_bytes, limit.source, limit.group.levels[0].name, hungry.returncode, reader.oom_kills() - before)
"""
    with real_group(60 * MIB) as group, start_in(group, code) as process:
        output, _ = process.communicate(timeout=50)

    limit, source, name, returncode, kills = output.split()
    assert (int(limit), name, int(returncode), int(kills)) == (60 * MIB, group.name, -9, 1)
    assert source in ("cgroup1", "cgroup2")
