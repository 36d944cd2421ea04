from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.domain.units import MIB
from app.memory.cgroup import find_cgroup
from soak.cgroup import GroupUnavailable, MemoryGroup, memory_group

_HOLD = "import sys; held = b'x' * (int(sys.argv[1]) << 20); print('held', flush=True); sys.stdin.read()"


@pytest.fixture
def group() -> Iterator[MemoryGroup]:
    try:
        context = memory_group(64 * MIB)
        lent = context.__enter__()
    except GroupUnavailable as error:
        found = find_cgroup()
        if os.environ.get("CI") and found is not None and os.access(found.levels[-1], os.W_OK):
            raise
        pytest.skip(str(error))
    try:
        yield lent
    finally:
        context.__exit__(None, None, None)


def _start(group: MemoryGroup, mib: int) -> subprocess.Popen[str]:
    command = group.joining([sys.executable, "-S", "-c", _HOLD, str(mib)])
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_a_child_is_inside_from_its_first_byte_and_keeps_its_process_id(group: MemoryGroup) -> None:
    with _start(group, 32) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"

        assert group.pids() == [process.pid]
        assert 32 * MIB < group.working_set_bytes() < 48 * MIB
        assert group.usage_bytes() >= 32 * MIB
        assert group.oom_kills() == 0
        process.communicate("")


def test_a_child_above_the_limit_is_killed_and_counted(group: MemoryGroup) -> None:
    with _start(group, 100) as process:
        process.communicate(timeout=30)

    assert process.returncode == -9
    assert group.oom_kills() == 1


def test_a_group_is_removed_with_what_is_left_in_it() -> None:
    try:
        with memory_group(64 * MIB) as group:
            process = _start(group, 1)
            assert process.stdout is not None
            process.stdout.readline()
    except GroupUnavailable as error:
        pytest.skip(str(error))

    assert process.wait(10) == -9
    assert not group.path.exists()
    process.communicate()


def test_the_group_is_made_inside_our_own(group: MemoryGroup) -> None:
    found = find_cgroup()

    assert found is not None
    assert group.path.parent in found.levels
    assert isinstance(group.path, Path)
