"""Tests of the process tree: who is in it, and what is whose after a fork."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from app.memory.gauge import MemoryGauge
from app.memory.limit import find_limit
from app.memory.process import ProcessMemory, ProcessTree
from tests.memory.control_groups import MIB, PROJECT, status_text, write_process, write_tree

HELD_MIB = 40


class Clock:
    """Returns `now`, and goes on by `step` seconds each time."""

    def __init__(self, step: float = 0.0) -> None:
        self.now = 0.0
        self.step = step

    def __call__(self) -> float:
        now, self.now = self.now, self.now + self.step
        return now


def test_a_process_id_that_a_stranger_had_may_be_a_childs_later(tmp_path: Path) -> None:
    write_process(tmp_path, "", "")
    write_tree(tmp_path, {"proc/10/status": status_text(1), "proc/20/status": status_text(1)})
    tree = ProcessTree(10, tmp_path)

    tree.discover()
    (tmp_path / "proc/20").rename(tmp_path / "ended")
    tree.discover()
    write_tree(tmp_path, {"proc/20/status": status_text(10)})
    tree.discover()
    processes = tree.read()
    tree.close()

    assert [process.pid for process in processes] == [10, 20]


def test_the_listing_is_left_out_until_a_new_process_id_was_given(tmp_path: Path) -> None:
    write_process(tmp_path, "", "")
    write_tree(tmp_path, {"proc/loadavg": "0.00 0.00 0.00 1/99 11\n", "proc/10/status": status_text(1)})
    times = iter(range(0, 1000, 10))
    tree = ProcessTree(10, tmp_path, lambda: float(next(times)))

    tree.refresh()
    write_tree(tmp_path, {"proc/12/status": status_text(10)})
    tree.refresh()
    before = len(tree.read())
    write_tree(tmp_path, {"proc/loadavg": "0.00 0.00 0.00 1/99 12\n"})
    tree.refresh()
    after = len(tree.read())
    tree.close()

    assert (before, after) == (1, 2)


def test_an_expensive_listing_is_repeated_after_a_second_at_the_latest(tmp_path: Path) -> None:
    write_process(tmp_path, "", "")
    write_tree(tmp_path, {"proc/10/status": status_text(1)})
    clock = Clock(step=0.5)
    tree = ProcessTree(10, tmp_path, clock)

    tree.refresh()  # takes 0.5 s
    write_tree(tmp_path, {"proc/11/status": status_text(10)})
    clock.now = 0.9
    tree.refresh()
    too_soon = len(tree.read())
    clock.now = 1.0
    tree.refresh()
    later = len(tree.read())
    tree.close()

    assert (too_soon, later) == (1, 2)


def _rollup(*, anonymous: int, own: int, private: int = 0) -> str:
    return (
        f"55-7f ---p 00000000 00:00 0   [rollup]\nRss: 1 kB\nPss_Anon: {own} kB\nPss_Shmem: 4 kB\n"
        f"Private_Dirty: {private} kB\nAnonymous: {anonymous} kB\n"
    )


def _write_family(root: Path, own: dict[int, int], anonymous: int = 20_000) -> None:
    """Write process 10 and its forked children with so many KiB of their own, of 20,000 each."""
    for pid, kib in own.items():
        write_tree(root, {f"proc/{pid}/status": status_text(1 if pid == 10 else 10, rss=30_000, anonymous=anonymous)})
        write_tree(root, {f"proc/{pid}/smaps_rollup": _rollup(anonymous=anonymous, own=kib)})


def _own_kib(tree: ProcessTree) -> dict[int, int]:
    return {process.pid: process.anonymous_bytes // 1024 for process in tree.read()}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tree(tmp_path: Path, clock: Clock) -> Iterator[ProcessTree]:
    """The tree of process 10 in an invented root."""
    write_process(tmp_path, "", "")
    _write_family(tmp_path, {10: 20_000})
    with closing(ProcessTree(10, tmp_path, clock)) as tree:
        yield tree


def test_of_shared_pages_each_process_has_its_part(tmp_path: Path, tree: ProcessTree) -> None:
    _write_family(tmp_path, {10: 10_500, 11: 12_000})
    tree.discover()

    own, forked = tree.read()

    assert (own.anonymous_bytes, forked.anonymous_bytes) == (10_500 * 1024, 12_000 * 1024)
    assert (forked.shared_bytes, forked.relatives_bytes) == (4 * 1024, (8_000 + 6) * 1024)
    assert (forked.rss_bytes, forked.file_bytes) == (30_000 * 1024, (30_000 - 20_000 - 10) * 1024)
    assert (forked.parent_pid, own.parent_pid) == (10, 1)


def test_between_two_readings_what_was_known_to_be_others_is_taken_off(tmp_path: Path, tree: ProcessTree) -> None:
    _write_family(tmp_path, {10: 10_500, 11: 12_000})
    tree.discover()
    tree.read()

    write_tree(tmp_path, {"proc/11/status": status_text(10, rss=50_000, anonymous=40_000)})

    assert _own_kib(tree) == {10: 10_500, 11: 32_000}


def test_a_measured_process_is_read_anew(tmp_path: Path, tree: ProcessTree) -> None:
    _write_family(tmp_path, {10: 10_500, 11: 12_000})
    tree.discover()
    tree.read()

    write_tree(tmp_path, {"proc/11/smaps_rollup": _rollup(anonymous=20_000, own=19_000)})
    before = _own_kib(tree)
    tree.measure(11)
    after = _own_kib(tree)

    assert (before, after) == ({10: 10_500, 11: 12_000}, {10: 10_500, 11: 19_000})


def test_a_process_can_be_measured_before_it_was_found(tmp_path: Path, tree: ProcessTree) -> None:
    _write_family(tmp_path, {10: 10_500, 11: 12_000})

    tree.measure(11)
    tree.measure(99)

    assert _own_kib(tree) == {10: 10_500, 11: 12_000}


def test_when_a_fork_comes_its_parent_is_read_at_once_and_the_others_one_at_a_time(
    tmp_path: Path, tree: ProcessTree
) -> None:
    _write_family(tmp_path, {10: 10_000, 11: 10_000, 12: 10_000})
    tree.discover()
    tree.read()

    _write_family(tmp_path, {10: 5_000, 11: 5_000, 12: 5_000, 13: 5_000})
    tree.discover()
    seen = [_own_kib(tree)]
    for _ in range(3):
        tree.read_uss(10.0)
        seen.append(_own_kib(tree))

    assert seen[0] == {10: 5_000, 11: 10_000, 12: 10_000, 13: 5_000}
    assert seen[-1] == {10: 5_000, 11: 5_000, 12: 5_000, 13: 5_000}


def test_when_a_fork_ends_its_parent_is_read_at_once(tmp_path: Path, tree: ProcessTree) -> None:
    _write_family(tmp_path, {10: 10_000, 11: 10_000})
    tree.discover()
    tree.read()

    write_tree(tmp_path, {"proc/11/status": "State:\tZ (zombie)\nPPid:\t10\n"})
    write_tree(tmp_path, {"proc/10/smaps_rollup": _rollup(anonymous=20_000, own=20_000)})

    assert _own_kib(tree) == {10: 20_000}


def test_a_process_that_shares_nothing_has_nobody_read_again(tmp_path: Path, tree: ProcessTree) -> None:
    _write_family(tmp_path, {10: 10_000, 11: 10_000})
    tree.discover()
    tree.read()

    _write_family(tmp_path, {12: 20_000})
    write_tree(tmp_path, {f"proc/{pid}/smaps_rollup": _rollup(anonymous=20_000, own=1) for pid in (10, 11)})
    tree.discover()

    assert _own_kib(tree) == {10: 10_000, 11: 10_000, 12: 20_000}


def test_a_fork_that_becomes_another_program_shares_no_more(tmp_path: Path, tree: ProcessTree) -> None:
    _write_family(tmp_path, {10: 10_000, 11: 10_000})
    tree.discover()
    tree.read()

    _write_family(tmp_path, {11: 3_000}, anonymous=3_000)

    assert _own_kib(tree)[11] == 3_000


def test_a_kernel_without_proportional_anonymous_memory_has_private_pages_counted(
    tmp_path: Path, tree: ProcessTree
) -> None:
    write_tree(tmp_path, {"proc/10/smaps_rollup": "Rss: 1 kB\nPrivate_Dirty: 7000 kB\nAnonymous: 20000 kB\n"})

    (process,) = tree.read()

    assert (process.anonymous_bytes, process.shared_bytes) == (7_000 * 1024, 10 * 1024)


FAMILY = f"""
import gc, itertools, json, os, sys
from app.memory.gauge import MemoryGauge
from app.memory.limit import find_limit

held = bytearray({HELD_MIB} << 20)
for place in range(0, len(held), 4096):
    held[place] = 1
gc.freeze()

def fork(dirty):
    told, telling = os.pipe()
    pid = os.fork()
    if not pid:
        for place in range(0, int(len(held) * dirty), 4096):
            held[place] = 2
        os.write(telling, b"x")
        sys.stdin.read()
        os._exit(0)
    os.read(told, 1)
    return pid

gauge = MemoryGauge(find_limit(1 << 30), clock=itertools.count(step=2).__next__)  # time passes: each look finds all

def look(**of):
    sample = gauge.sample()
    known = {{name: [p for p in sample.processes if p.pid == pid] for name, pid in of.items()}}
    return {{
        "all": sample.working_set_bytes,
        "measured": {{name: gauge.measure(pid) for name, pid in of.items()}},
        **{{name: [p[0].rss_bytes, p[0].anonymous_bytes, p[0].parent_pid] for name, p in known.items() if p}},
    }}

alone = look(parent=os.getpid())
"""


@contextmanager
def _family(code: str) -> Iterator[Any]:
    """Run the code in a process that holds 40 MiB and may fork; yield what it prints."""
    command = [sys.executable, "-c", FAMILY + code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=PROJECT) as process:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())
        process.communicate()


def test_a_real_fork_that_dirties_half_of_its_pages_adds_half() -> None:
    code = """
half = fork(0.5)
print(json.dumps([alone, look(parent=os.getpid(), half=half), os.getpid()]), flush=True)
"""
    with _family(code) as (alone, together, parent_pid):
        pass

    added = together["all"] - alone["all"]
    rss_bytes, own_bytes, parent = together["half"]
    assert HELD_MIB / 2 * MIB < added < (HELD_MIB / 2 + 8) * MIB
    assert HELD_MIB * 3 / 4 * MIB < own_bytes < rss_bytes - 8 * MIB  # a half, and a half of the other
    assert rss_bytes > HELD_MIB * MIB
    assert parent == parent_pid
    assert abs(together["measured"]["half"] - own_bytes) < MIB


def test_real_forks_that_write_nothing_add_next_to_nothing_from_their_first_sample_on() -> None:
    code = """
children = [fork(0.0) for _ in range(3)]
first = look()
for _ in range(4):
    look()
print(json.dumps([alone, first, look()]), flush=True)
"""
    with _family(code) as (alone, first, settled):
        pass

    assert first["all"] - alone["all"] < 12 * MIB
    assert settled["all"] - alone["all"] < 8 * MIB


def test_a_real_fork_that_ends_leaves_its_part_to_its_parent() -> None:
    code = """
child = fork(0.0)
before = look(parent=os.getpid())
os.kill(child, 9)
os.waitpid(child, 0)
print(json.dumps([before, look(parent=os.getpid()), gauge.measure(child)]), flush=True)
"""
    with _family(code) as (before, after, gone):
        pass

    assert before["parent"][1] < (HELD_MIB / 2 + 12) * MIB
    assert after["parent"][1] > HELD_MIB * MIB
    assert gone == 0


def test_what_is_measured_of_this_process_is_what_a_sample_says() -> None:
    with closing(MemoryGauge(find_limit(None))) as gauge:
        sample = gauge.sample(detail=True)
        own = sample.processes[0].pid
        measured = gauge.measure(own)

    assert abs(sample.resident_bytes()[own] - measured) < 8 * MIB


def test_the_parts_of_a_process_add_up_to_its_rss() -> None:
    process = ProcessMemory(1, 100, 30, 10, 120, None, parent_pid=0, relatives_bytes=20)

    assert process.file_bytes == 40
