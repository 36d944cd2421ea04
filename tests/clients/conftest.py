"""Generated clients: the description, the generators in environments of their own, and what they make."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from app.main import create_app
from app.settings import Settings, StorageSettings
from tests.absent import cannot_run
from tests.media_files import REPOSITORY

HERE = Path(__file__).parent
_INSTALL_SECONDS = 240
_RUN_SECONDS = 120


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A Java machine and compilers start slowly, and the first test installs them."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.slow)
            item.add_marker(pytest.mark.timeout(2 * _INSTALL_SECONDS))


class Programs:
    """Programs of one environment, found before all others."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def run(self, *command: str | Path, cwd: Path, environment: Mapping[str, str] | None = None) -> str:
        """Run a program and return what it said.

        Raises:
            AssertionError: its exit code is not 0.
        """
        path = os.pathsep.join((str(self._folder), os.environ.get("PATH", "")))
        outcome = subprocess.run(
            command,
            cwd=cwd,
            env={**os.environ, "PATH": path, **(environment or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_RUN_SECONDS,
            check=False,
        )
        assert outcome.returncode == 0, f"{command[0]}: {outcome.stdout[-3000:]}"
        return outcome.stdout


@pytest.fixture(scope="session")
def python_programs() -> Programs:
    """The generators that come from Python's index, with a Java of their own, and mypy."""
    _install(["scripts/tools.sh", "clients"])
    return Programs(REPOSITORY / ".cache" / "clients" / "bin")


@pytest.fixture(scope="session")
def node_modules() -> Path:
    """The packages of `package-lock.json`."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        _cannot_run("there is no node, or no npm")
    folder = REPOSITORY / ".cache" / "clients-node"
    lock = (HERE / "package-lock.json").read_bytes()
    if not (folder / "installed").is_file() or (folder / "installed").read_bytes() != lock:
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, folder)
        _install(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", str(folder)])
        (folder / "installed").write_bytes(lock)
    return folder / "node_modules"


@pytest.fixture(scope="session")
def node_programs(node_modules: Path) -> Programs:
    return Programs(node_modules / ".bin")


@pytest.fixture(scope="session")
def description(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of what `/openapi.json` answers."""
    folder = tmp_path_factory.mktemp("description")
    app = create_app(Settings(storage=StorageSettings(root=folder / "var")))
    path = folder / "openapi.json"
    path.write_text(json.dumps(app.openapi()))
    return path


def _install(command: list[str]) -> None:
    outcome = subprocess.run(
        command, cwd=REPOSITORY, capture_output=True, text=True, timeout=_INSTALL_SECONDS, check=False
    )
    if outcome.returncode != 0:
        _cannot_run(f"{command[0]} cannot install what is needed: {outcome.stderr[-500:]}")


def _cannot_run(reason: str) -> None:
    cannot_run(reason)
