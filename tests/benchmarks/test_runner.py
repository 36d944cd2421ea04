from __future__ import annotations

import subprocess
import sys

from benchmarks.__main__ import SHORT
from benchmarks.server import REPOSITORY


def test_every_benchmark_that_is_named_is_there() -> None:
    assert all((REPOSITORY / "benchmarks" / f"{name}.py").is_file() for name in SHORT)


def test_an_unknown_name_is_refused_with_those_that_there_are() -> None:
    command = [sys.executable, "-m", "benchmarks", "footprints"]

    finished = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)

    assert finished.returncode == 2
    assert "there is no benchmark footprints; there are footprint, roundtrip" in finished.stderr
