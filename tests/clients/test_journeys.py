"""A generated client uploads, lists, analyses and deletes at a real server, and what it needs for that is typed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.conftest import HERE, Programs
from tests.clients.generators import PACKAGE, openapi_python_client, openapi_typescript
from tests.e2e.server import RunningServer, run_server
from tests.media_files import media_folder

KEY = "key-of-generated-clients"

pytestmark = [pytest.mark.model, pytest.mark.photo]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    folder = tmp_path / "service"
    folder.mkdir()
    with run_server(folder, {"SERVER__API_KEYS": KEY}, secrets=(KEY,)) as server:
        yield server


@pytest.fixture
def photo() -> Path:
    return media_folder() / "thumb_up.jpg"


def test_with_openapi_python_client(
    python_programs: Programs, description: Path, server: RunningServer, photo: Path, tmp_path: Path
) -> None:
    openapi_python_client(python_programs, description, tmp_path)
    journey = shutil.copy(HERE / "journeys" / "journey.py", tmp_path)

    python_programs.run("mypy", "--strict", "--config-file", "/dev/null", "--follow-imports", "silent", journey,
                        cwd=tmp_path, environment={"MYPYPATH": str(tmp_path)})  # fmt: skip
    python_programs.run("python", journey, server.url, KEY, photo, cwd=tmp_path)

    assert (tmp_path / PACKAGE).is_dir()


def test_with_openapi_typescript(
    node_programs: Programs,
    node_modules: Path,
    description: Path,
    server: RunningServer,
    photo: Path,
    tmp_path: Path,
) -> None:
    openapi_typescript(node_programs, description, tmp_path)
    (tmp_path / "node_modules").symlink_to(node_modules)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    shutil.copy(HERE / "journeys" / "journey.ts", tmp_path)

    node_programs.run("tsc", "--strict", "--target", "es2022", "--module", "nodenext", "--types", "node", "journey.ts",
                      cwd=tmp_path)  # fmt: skip
    node_programs.run("node", "journey.js", server.url, KEY, photo, cwd=tmp_path)
