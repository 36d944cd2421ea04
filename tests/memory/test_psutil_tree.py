"""Tests of the gauge where there is no `/proc`: psutil, on real processes of this machine."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from app.memory.gauge import MemoryGauge
from app.memory.limit import find_limit
from app.memory.psutil_tree import PsutilTree
from tests.memory.control_groups import MIB
from tests.memory.test_process import Clock

HOLD = "held = b'x' * (50 << 20); print(flush=True); input()"
PARENT = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(50)"])
print(child.pid, flush=True)
input()
"""


@contextmanager
def _child(code: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process, process.stdout.readline()
        if process.poll() is None:
            process.communicate("\n")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tree(clock: Clock) -> Iterator[PsutilTree]:
    with closing(PsutilTree(os.getpid(), clock)) as tree:
        yield tree


@pytest.fixture
def gauge(tmp_path: Path, tree: PsutilTree, clock: Clock) -> Iterator[MemoryGauge]:
    """A gauge that sees no kernel file."""
    with closing(MemoryGauge(find_limit(1000 * MIB, tmp_path), root=tmp_path, clock=clock, portable=tree)) as gauge:
        yield gauge


def _pids(tree: PsutilTree) -> set[int]:
    return {process.pid for process in tree.read()}


def test_the_pressure_is_real_and_follows_a_child(gauge: MemoryGauge, clock: Clock) -> None:
    alone = gauge.sample()
    with _child(HOLD) as (child, _):
        clock.now = 2.0
        together = gauge.sample()
        measured = gauge.measure(child.pid)
    afterwards = gauge.sample()

    assert alone.pressure > 0.01
    assert 50 * MIB < together.working_set_bytes - alone.working_set_bytes < 80 * MIB
    assert 50 * MIB < measured < 80 * MIB
    assert afterwards.working_set_bytes < together.working_set_bytes - 50 * MIB
    assert gauge.measure(child.pid) == 0


def test_the_machine_says_what_it_has_left(gauge: MemoryGauge) -> None:
    available_bytes = gauge.sample().host_available_bytes

    assert available_bytes is not None
    assert available_bytes > 10 * MIB


def test_new_descendants_are_looked_for_once_a_second(tree: PsutilTree, clock: Clock) -> None:
    tree.refresh()
    with _child("print(flush=True); input()") as (child, _):
        clock.now = 0.9
        tree.refresh()
        too_soon = _pids(tree)
        clock.now = 1.0
        tree.refresh()
        later = _pids(tree)

    assert child.pid not in too_soon
    assert child.pid in later


def test_a_grandchild_stays_when_its_parent_ends(tree: PsutilTree) -> None:
    with _child(PARENT) as (parent, line):
        grandchild = int(line)
        tree.discover()
        before = {process.pid: process.parent_pid for process in tree.read()}
        parent.kill()
        parent.wait()
        tree.discover()
        after = _pids(tree)
        os.kill(grandchild, 9)

    assert (before[parent.pid], before[grandchild]) == (os.getpid(), parent.pid)
    assert grandchild in after
    assert parent.pid not in after


def test_a_child_that_ended_and_was_not_waited_for_has_nothing(tree: PsutilTree) -> None:
    with _child(HOLD) as (child, _):
        tree.discover()
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        left = _pids(tree)

    assert child.pid not in left


def test_between_two_readings_what_was_shared_is_taken_off(tree: PsutilTree, clock: Clock) -> None:
    (before,) = (process for process in tree.read() if process.pid == os.getpid())
    held = b"x" * (50 * MIB)
    (after,) = (process for process in tree.read() if process.pid == os.getpid())
    clock.now = 10.0
    tree.read_uss(10.0)
    (read_again,) = (process for process in tree.read() if process.pid == os.getpid())
    del held

    assert before.uss_bytes is not None
    assert before.uss_bytes == after.uss_bytes
    assert 48 * MIB < after.anonymous_bytes - before.anonymous_bytes < 52 * MIB
    assert read_again.uss_bytes is not None
    assert read_again.uss_bytes > before.uss_bytes + 48 * MIB
    assert before.anonymous_bytes + before.file_bytes == before.rss_bytes
    assert after.peak_rss_bytes == after.rss_bytes


def test_detail_reads_every_uss_at_once(gauge: MemoryGauge) -> None:
    with _child(HOLD):
        sample = gauge.sample(detail=True)

    assert all(process.uss_bytes for process in sample.processes)
    assert len(sample.processes) >= 2


def test_where_this_is_not_linux_psutil_is_the_gauge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")

    with closing(MemoryGauge(find_limit(1000 * MIB, tmp_path), root=tmp_path)) as gauge:
        sample = gauge.sample()

    assert os.getpid() in {process.pid for process in sample.processes}
    assert sample.pressure > 0.01
