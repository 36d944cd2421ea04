"""Tests of the gauge: in invented roots, on this machine's processes, and in real control groups."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC
from pathlib import Path

import pytest

from app.memory.gauge import MemoryGauge, MemorySample
from app.memory.limit import find_limit
from tests.memory.control_groups import (
    MIB,
    PROJECT,
    V2_MOUNT,
    real_group,
    run_in,
    set_limit,
    start_in,
    status_text,
    write_process,
    write_tree,
)


def _gauge(root: Path, setting: int | None = None) -> MemoryGauge:
    return MemoryGauge(find_limit(setting, root), pid=10, root=root)


@contextmanager
def _sampling(gauge: MemoryGauge) -> Iterator[MemoryGauge]:
    try:
        yield gauge
    finally:
        gauge.close()


def _child(code: str) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    return process


def test_children_and_grandchildren_count_in_the_tree_and_strangers_do_not(tmp_path: Path) -> None:
    write_process(tmp_path, "", "")
    parents = {10: 1, 11: 10, 5: 11, 12: 1, 13: 12}
    write_tree(tmp_path, {f"proc/{pid}/status": status_text(parent) for pid, parent in parents.items()})

    with _sampling(_gauge(tmp_path, 100 * MIB)) as gauge:
        sample = gauge.sample()

    assert [process.pid for process in sample.processes] == [5, 10, 11]
    assert (sample.working_set_bytes, sample.limit_source) == (3 * 70 * 1024, "setting")
    assert sample.available_bytes == 100 * MIB - 3 * 70 * 1024


def test_a_group_limit_counts_the_group_and_a_setting_the_tree_only(tmp_path: Path) -> None:
    write_process(tmp_path, "0::/\n", V2_MOUNT.format(mount_root="/"))
    files = {"memory.stat": f"anon {150 * MIB}\n", "memory.max": str(300 * MIB)}
    write_tree(tmp_path, {f"sys/fs/cgroup/{name}": text for name, text in files.items()})
    write_tree(tmp_path, {"proc/10/status": status_text(1)})

    with _sampling(_gauge(tmp_path)) as of_group, _sampling(_gauge(tmp_path, 100 * MIB)) as of_setting:
        group_sample, tree_sample = of_group.sample(), of_setting.sample()

    assert (group_sample.working_set_bytes, group_sample.pressure) == (150 * MIB, 0.5)
    assert tree_sample.working_set_bytes == 70 * 1024


def test_a_group_that_cannot_be_read_gives_way_to_the_tree(tmp_path: Path) -> None:
    write_process(tmp_path, "0::/\n", V2_MOUNT.format(mount_root="/"))
    write_tree(tmp_path, {"sys/fs/cgroup/memory.stat": "", "sys/fs/cgroup/memory.max": str(300 * MIB)})
    write_tree(tmp_path, {"proc/10/status": status_text(1)})

    with _sampling(_gauge(tmp_path)) as gauge:
        sample = gauge.sample()

    assert (sample.working_set_bytes, sample.limit_source) == (70 * 1024, "cgroup2")


def test_an_empty_root_gives_a_sample_of_zeros(tmp_path: Path) -> None:
    with _sampling(_gauge(tmp_path)) as gauge:
        sample = gauge.sample(detail=True)

    assert (sample.working_set_bytes, sample.processes, sample.host_available_bytes) == (0, (), None)
    assert (sample.psi, sample.oom_kills, sample.oom_group) == (None, 0, False)


def test_a_status_without_the_split_counts_all_as_anonymous(tmp_path: Path) -> None:
    write_process(tmp_path, "", "")
    write_tree(tmp_path, {"proc/10/status": "State:\tR (running)\nPPid:\t1\nVmRSS:\t50 kB\n"})

    with _sampling(_gauge(tmp_path)) as gauge:
        (process,) = gauge.sample().processes

    assert (process.anonymous_bytes, process.shared_bytes, process.peak_rss_bytes) == (51200, 0, 51200)


def test_a_zombie_is_left_out(tmp_path: Path) -> None:
    write_process(tmp_path, "", "")
    zombie = "State:\tZ (zombie)\nPPid:\t10\n"
    write_tree(tmp_path, {"proc/10/status": status_text(1), "proc/11/status": zombie})

    with _sampling(_gauge(tmp_path)) as gauge:
        sample = gauge.sample()

    assert [process.pid for process in sample.processes] == [10]


def test_the_uss_is_read_of_a_new_process_at_once_and_then_one_at_a_time(tmp_path: Path) -> None:
    write_process(tmp_path, "", "")
    rollup = "Rss: 100 kB\nPss: 70 kB\nPrivate_Clean: 10 kB\nPrivate_Dirty:        40 kB\nPrivate_Hugetlb: 0 kB\n"
    write_tree(tmp_path, {"proc/10/status": status_text(1), "proc/11/status": status_text(10)})
    write_tree(tmp_path, {"proc/10/smaps_rollup": rollup, "proc/11/smaps_rollup": rollup})

    seconds = iter(range(0, 10_000, 100))
    gauge = MemoryGauge(find_limit(None, tmp_path), pid=10, root=tmp_path, clock=lambda: next(seconds))

    with _sampling(gauge):
        gauge.sample()
        write_tree(tmp_path, {f"proc/{pid}/smaps_rollup": "Private_Dirty: 60 kB\n" for pid in (10, 11)})
        samples = [gauge.sample() for _ in range(2)]

    assert [[process.uss_bytes for process in sample.processes] for sample in samples] == [
        [61440, 51200],
        [61440, 61440],
    ]


def test_detail_reads_every_uss_now(tmp_path: Path) -> None:
    write_process(tmp_path, "", "")
    write_tree(tmp_path, {"proc/10/status": status_text(1), "proc/11/status": status_text(10)})
    write_tree(tmp_path, {f"proc/{pid}/smaps_rollup": "Private_Dirty: 40 kB\n" for pid in (10, 11)})

    with _sampling(_gauge(tmp_path)) as gauge:
        sample = gauge.sample(detail=True)

    assert [process.uss_bytes for process in sample.processes] == [40960, 40960]


def test_a_real_child_counts_while_it_lives_and_leaves_no_descriptor() -> None:
    open_before = len(list(Path("/proc/self/fd").iterdir()))
    with _sampling(MemoryGauge(find_limit(1000 * MIB))) as gauge:
        alone = gauge.sample(detail=True)
        open_while_alone = len(list(Path("/proc/self/fd").iterdir()))
        child = _child("x = b'x' * (50 << 20); print(flush=True); input()")
        together = gauge.sample(detail=True)
        child.communicate("\n")
        afterwards = gauge.sample(detail=True)
        open_afterwards = len(list(Path("/proc/self/fd").iterdir()))

    assert child.pid in {process.pid for process in together.processes}
    assert 50 * MIB < together.working_set_bytes - alone.working_set_bytes < 80 * MIB
    assert child.pid not in {process.pid for process in afterwards.processes}
    assert open_afterwards == open_while_alone
    assert len(list(Path("/proc/self/fd").iterdir())) == open_before


def test_a_real_grandchild_stays_in_the_tree_when_its_parent_ends() -> None:
    code = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(50)"])
print(child.pid, flush=True)
input()
"""
    child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    grandchild = int(child.stdout.readline())
    with _sampling(MemoryGauge(find_limit(1000 * MIB))) as gauge:
        before = {process.pid for process in gauge.sample(detail=True).processes}
        child.kill()
        child.wait()
        after = {process.pid for process in gauge.sample(detail=True).processes}
        os.kill(grandchild, 9)
    child.stdout.close()
    if child.stdin:
        child.stdin.close()

    assert {child.pid, grandchild} <= before
    assert grandchild in after
    assert child.pid not in after


def test_processes_that_come_and_go_while_sampling_never_raise() -> None:
    stop = threading.Event()

    def churn() -> None:
        while not stop.is_set():
            subprocess.run(["true"], check=True)

    thread = threading.Thread(target=churn)
    with _sampling(MemoryGauge(find_limit(1000 * MIB))) as gauge:
        thread.start()
        samples = [gauge.sample(detail=True) for _ in range(100)]
        stop.set()
        thread.join()

    assert all(os.getpid() in {process.pid for process in sample.processes} for sample in samples)


def test_a_real_sample_agrees_with_the_kernel() -> None:
    with _sampling(MemoryGauge(find_limit(None))) as gauge:
        sample = gauge.sample(detail=True)

    own = next(process for process in sample.processes if process.pid == os.getpid())
    assert sample.sampled_at.tzinfo is UTC
    assert sample.host_available_bytes is not None
    assert own.uss_bytes is not None
    assert 0 < own.anonymous_bytes <= own.rss_bytes <= own.peak_rss_bytes
    assert 0 < own.uss_bytes <= own.rss_bytes + MIB


def test_psutil_is_not_imported_on_linux() -> None:
    code = """
import sys
from app.memory.gauge import MemoryGauge
from app.memory.limit import find_limit
MemoryGauge(find_limit(None)).sample(detail=True)
print("psutil" in sys.modules)
"""

    command = [sys.executable, "-c", code]
    output = subprocess.run(command, capture_output=True, text=True, check=True, cwd=PROJECT).stdout

    assert output.strip() == "False"


PROBE = """
import json, sys
from pathlib import Path
from app.memory.gauge import MemoryGauge
from app.memory.limit import find_limit
from app.memory.pressure import PressureMonitor
from app.settings import MemorySettings

def report(setting=None):
    sample = MemoryGauge(find_limit(setting)).sample(detail=True)
    # Only the group counts here: neither what else stalls on this machine nor how full it is.
    settings = MemorySettings(psi_some=100, host_low=1, host_critical=1)
    level = PressureMonitor(settings).update(sample)
    usage = next(p for p in map(Path, sys.argv[1:]) if p.exists())
    print(json.dumps({"pressure": sample.pressure, "level": level.name, "source": sample.limit_source,
                      "working_set": sample.working_set_bytes, "usage": int(usage.read_text())}), flush=True)
"""


def _report(group: Path, code: str) -> dict[str, float | str]:
    usage = (str(group / "memory.current"), str(group / "memory.usage_in_bytes"))
    report: dict[str, float | str] = json.loads(run_in(group, PROBE + code, *usage))
    return report


def test_250_mib_held_in_a_300_mib_group_read_high() -> None:
    hold = "held = b'x' * ((250 << 20) - MemoryGauge(find_limit(None)).sample().working_set_bytes)\nreport()"

    with real_group(300 * MIB) as group:
        report = _report(group, hold)

    assert report["level"] == "HIGH"
    assert 0.80 <= float(report["pressure"]) < 0.90


def test_a_file_of_600_mb_just_written_reads_low(tmp_path: Path) -> None:
    path = tmp_path / "upload"
    write = f"""
with open({str(path)!r}, "wb") as file:
    for _ in range(600):
        file.write(b"x" * 1_000_000)
report()
"""

    with real_group(300 * MIB) as group:
        report = _report(group, write)
    path.unlink()

    assert float(report["usage"]) > 200 * MIB  # the page cache is there, and does not count
    assert report["level"] == "LOW"
    assert float(report["pressure"]) < 0.20


def test_a_stored_file_of_200_mb_read_three_times_reads_low(tmp_path: Path) -> None:
    path = tmp_path / "stored"
    read = f"""
import os
descriptor = os.open({str(path)!r}, os.O_RDWR | os.O_CREAT)
for _ in range(200):
    os.write(descriptor, b"x" * 1_000_000)
os.fsync(descriptor)
for _ in range(3):
    os.lseek(descriptor, 0, 0)
    while os.read(descriptor, 1 << 20):
        pass
report()
"""

    with real_group(300 * MIB) as group:
        report = _report(group, read)
    path.unlink()

    assert float(report["usage"]) > 190_000_000
    assert report["level"] == "LOW"
    assert float(report["pressure"]) < 0.20


@pytest.mark.parametrize(("setting", "source"), [("100 << 20", "setting"), ("None", "cgroup")])
def test_in_a_shared_group_a_setting_counts_only_our_own_tree(setting: str, source: str) -> None:
    stranger = "held = b'x' * (120 << 20); print(flush=True); input()"

    with real_group(300 * MIB) as group, start_in(group, stranger) as other:
        assert other.stdout is not None
        other.stdout.readline()
        report = _report(group, f"report({setting})")
        other.communicate("\n")

    assert str(report["source"]).startswith(source)
    assert (float(report["working_set"]) < 60 * MIB) is (source == "setting")
    assert (float(report["working_set"]) > 120 * MIB) is (source == "cgroup")


def test_the_pressure_is_the_working_set_over_the_limit(tmp_path: Path) -> None:
    write_process(tmp_path, "", "")
    write_tree(tmp_path, {"proc/10/status": status_text(1, anonymous=2048, shared=1024)})

    with _sampling(_gauge(tmp_path, 2 * MIB)) as gauge:
        sample: MemorySample = gauge.sample()

    assert (sample.pressure, sample.available_bytes) == (1.5, 0)


@pytest.mark.parametrize(
    ("text", "setting", "expected"),
    [
        (f"{200 * MIB}", None, (200 * MIB, "cgroup2", 150 * MIB)),
        (f"{900 * MIB}", None, (900 * MIB, "cgroup2", 150 * MIB)),
        ("max", None, (4096 * MIB, "physical", 70 * 1024)),
        (f"{200 * MIB}", 350 * MIB, (200 * MIB, "cgroup2", 150 * MIB)),
        (f"{900 * MIB}", 350 * MIB, (350 * MIB, "setting", 70 * 1024)),
    ],
)
def test_a_limit_that_is_changed_counts_from_the_next_sample_on(
    tmp_path: Path, text: str, setting: int | None, expected: tuple[int, str, int]
) -> None:
    write_process(tmp_path, "0::/\n", V2_MOUNT.format(mount_root="/"))
    files = {"memory.stat": f"anon {150 * MIB}\n", "memory.max": f"{300 * MIB}\n"}
    write_tree(tmp_path, {f"sys/fs/cgroup/{name}": content for name, content in files.items()})
    write_tree(tmp_path, {"proc/10/status": status_text(1)})

    with _sampling(_gauge(tmp_path, setting)) as gauge:
        before = gauge.sample()
        write_tree(tmp_path, {"sys/fs/cgroup/memory.max": f"{text}\n"})
        after = gauge.sample()

    assert (before.limit_bytes, before.limit_source, before.working_set_bytes) == (300 * MIB, "cgroup2", 150 * MIB)
    assert (after.limit_bytes, after.limit_source, after.working_set_bytes) == expected
    assert gauge.limit.limit_bytes == after.limit_bytes


def test_memory_is_read_at_the_level_that_limits_now(tmp_path: Path) -> None:
    write_process(tmp_path, "0::/pod/app\n", V2_MOUNT.format(mount_root="/"))
    for level, held in (("pod", 200), ("pod/app", 50)):
        files = {"memory.stat": f"anon {held * MIB}\n", "memory.max": f"{300 * MIB}\n"}
        write_tree(tmp_path, {f"sys/fs/cgroup/{level}/{name}": text for name, text in files.items()})

    with _sampling(_gauge(tmp_path)) as gauge:
        outer = gauge.sample()
        write_tree(tmp_path, {"sys/fs/cgroup/pod/app/memory.max": f"{100 * MIB}\n"})
        inner = gauge.sample()

    assert (outer.working_set_bytes, outer.limit_bytes) == (200 * MIB, 300 * MIB)
    assert (inner.working_set_bytes, inner.limit_bytes) == (50 * MIB, 100 * MIB)


def test_the_limit_of_a_real_group_is_followed() -> None:
    code = """
from app.memory.gauge import MemoryGauge
from app.memory.limit import find_limit
gauge = MemoryGauge(find_limit(None))
for _ in range(3):
    sample = gauge.sample()
    print(sample.limit_bytes, sample.working_set_bytes, flush=True)
    input()
"""
    with real_group(100 * MIB) as group, start_in(group, code) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        limits: list[int] = []
        for limit in (100 * MIB, 160 * MIB, 80 * MIB):
            set_limit(group, limit)
            if limits:
                print(file=process.stdin, flush=True)
            found, held = map(int, process.stdout.readline().split())
            assert 0 < held < 80 * MIB
            limits.append(found)
        process.communicate("\n")

    assert limits == [100 * MIB, 160 * MIB, 80 * MIB]
