"""The benchmark of mixed tasks runs in a control group, which not every machine lets one make."""

from __future__ import annotations

import subprocess
import sys

import pytest

from app.domain.units import MIB
from benchmarks.server import REPOSITORY
from soak.cgroup import GroupUnavailable, memory_group
from tests.benchmarks.test_short_runs import folders, pytestmark  # noqa: F401 - the same needs


@pytest.mark.timeout(300)
def test_a_short_run_measures_ours_and_the_peer_alone_and_beside_a_stream() -> None:
    try:
        with memory_group(64 * MIB):
            pass
    except GroupUnavailable as error:
        pytest.skip(str(error))
    before = folders()
    command = [sys.executable, "-m", "benchmarks.mixed", "--short", "--limit", "1000"]  # room enough: it is quick

    finished = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)

    assert finished.returncode == 0, finished.stderr
    for name in ("ballast", "one process, six models"):
        assert f"| {name}, photos alone " in finished.stdout
        assert f"| {name}, beside a stream of 15 fps " in finished.stdout
    assert "| beside a stream of 15 fps: stream answers a second " in finished.stdout
    assert folders() <= before
