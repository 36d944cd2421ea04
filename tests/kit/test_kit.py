"""The browser kit, tested by Node's own test runner: `node --test tests/kit/*.test.mjs`."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.absent import cannot_run

FOLDER = Path(__file__).parent
LEAST_VERSION = 18


@pytest.fixture(scope="module")
def node() -> str:
    path = shutil.which("node")
    if path is None or _version(path) < LEAST_VERSION:
        cannot_run(f"there is no Node.js {LEAST_VERSION} or later")
    return path


def _version(path: str) -> int:
    words = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout
    major = words.strip().removeprefix("v").partition(".")[0]
    return int(major) if major.isdigit() else 0


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.test.mjs")), ids=lambda file: file.name.partition(".")[0])
def test_the_kit_passes_its_own_tests(node: str, file: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("NODE_")}

    run = subprocess.run(
        [node, "--test", file], capture_output=True, text=True, check=False, timeout=50, env=environment
    )

    assert run.returncode == 0, run.stdout[-6000:] + run.stderr[-2000:]
