from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks.__main__ import SHORT
from benchmarks.server import REPOSITORY


def test_every_benchmark_that_is_named_is_there() -> None:
    assert all((REPOSITORY / "benchmarks" / f"{name}.py").is_file() for name in SHORT)


def refusal(*arguments: str) -> str:
    command = [sys.executable, "-m", "benchmarks", *arguments]
    finished = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert finished.returncode == 2
    return finished.stderr


def test_an_unknown_name_is_refused_with_those_that_there_are() -> None:
    assert "there is no benchmark footprints; there are footprint, roundtrip" in refusal("footprints")


def test_a_folder_without_ballast_is_refused(tmp_path: Path) -> None:
    assert "holds no Ballast" in refusal("footprint", "--against", str(tmp_path))


def test_one_that_cannot_compare_is_refused_with_those_that_can() -> None:
    answer = refusal("ledger", "--against", str(REPOSITORY))

    assert "ledger cannot be run against another checkout, only footprint, roundtrip, vision, upload" in answer
