from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from benchmarks.tree import find_tree, is_alive, measure_process, measure_tree

HOLD = 40_000_000

GRANDPARENT = f"""
import subprocess, sys
script = "held = b'x' * {HOLD}; print(flush=True); input()"
child = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE)
input()
child.communicate(b"")
"""


@pytest.fixture
def grandparent() -> Iterator[subprocess.Popen[bytes]]:
    """A process with one child that holds 40 MB."""
    process = subprocess.Popen([sys.executable, "-c", GRANDPARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    yield process
    process.communicate(b"\n")


def test_a_child_counts_in_the_tree(grandparent: subprocess.Popen[bytes]) -> None:
    memory = measure_tree(grandparent.pid)

    assert memory.processes[0].pid == grandparent.pid
    assert len(memory.processes) == 2
    assert memory.processes[1].anonymous_bytes >= HOLD
    assert memory.rss_bytes == sum(process.rss_bytes for process in memory.processes)
    assert HOLD <= memory.pss_bytes <= memory.rss_bytes


def test_a_descendant_of_ours_is_found_after_its_parent(grandparent: subprocess.Popen[bytes]) -> None:
    pids = [process.pid for process in find_tree(os.getpid())]

    child = find_tree(grandparent.pid)[1].pid
    assert pids.index(os.getpid()) < pids.index(grandparent.pid) < pids.index(child)


def test_an_ended_process_is_not_alive_even_before_its_parent_noticed() -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    (found,) = find_tree(process.pid)
    assert is_alive(found)

    assert process.stdin is not None
    process.stdin.close()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)

    assert not is_alive(found)
    assert measure_process(found) is None
    process.wait()
    assert not is_alive(found)
    assert find_tree(process.pid) == []
