"""Every command of the manual is run, page by page, by somebody who types it in order at a real service."""

from __future__ import annotations

import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

from tests.e2e.server import RunningServer
from tests.manual.blocks import Block, blocks_of, pages
from tests.manual.reader import Reader
from tests.media_files import REPOSITORY

pytestmark = pytest.mark.timeout(200)

NOT_RUN = {
    ("CONTRIBUTING.md", "make test"): "targets of make",
    ("README.md", "make run"): "by tests/manual/test_make_run.py, which ends it",
    ("README.md", "make test"): "targets of make",
    ("docs/clients.md", "openapi-python-client generate"): "by tests/clients, in an environment of its own",
    ("docs/clients.md", "openapi-generator-cli generate"): "by tests/clients, in an environment of its own",
    ("docs/clients.md", "npx openapi-typescript"): "by tests/clients, in an environment of its own",
    ("docs/deployment.md", "make -C"): "needs root and systemd",
    ("docs/deployment.md", "docker build"): "needs a Docker engine",
    ("docs/deployment.md", "docker buildx"): "needs a Docker engine",
    ("docs/deployment.md", "kubectl create"): "needs a cluster",
    ("docs/kit.md", "python3 -m"): "served and opened in a browser by tests/manual/test_kit_page.py",
    ("docs/memory.md", ".venv/bin/ballast soak"): "takes minutes",
    ("docs/quickstart.md", "make run"): "by tests/manual/test_make_run.py, which ends it",
}
"""Page and first two words of each block that is not run here, and why. Each reason has a test below of what it can."""


@cache
def blocks(path: Path) -> list[Block]:
    return blocks_of(path)


def commands() -> list[Block]:
    return [block for path in pages() for block in blocks(path) if block.is_commands]


def with_commands() -> list[Path]:
    return [path for path in pages() if any(block.is_commands and block.reason is None for block in blocks(path))]


def named(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix()


@pytest.mark.model
@pytest.mark.photo
@pytest.mark.parametrize("path", with_commands(), ids=named)
def test_a_page_can_be_typed_from_its_top_to_its_end(
    path: Path, server: RunningServer, clip: Path, tmp_path: Path
) -> None:
    wrong = Reader(server, clip).run(blocks(path), tmp_path)

    assert wrong == []


def test_what_is_not_run_is_listed_here_with_the_reason_that_the_page_gives() -> None:
    excepted = {
        (block.page, " ".join(block.text.split()[:2])): block.reason for block in commands() if block.reason is not None
    }

    assert excepted == NOT_RUN


def test_most_blocks_are_run() -> None:
    assert len(commands()) >= 4 * len(NOT_RUN)


def targets() -> list[str]:
    lines = [line for block in commands() if block.reason == "targets of make" for line in block.text.splitlines()]
    return sorted({match[1] for line in lines if (match := re.match(r"make ([a-z-]+)", line))})


@pytest.mark.parametrize("target", targets())
def test_a_target_of_make_that_is_not_run_is_there(target: str) -> None:
    ran = subprocess.run(
        ["make", "--dry-run", target], cwd=REPOSITORY, capture_output=True, text=True, timeout=20, check=False
    )

    assert ran.returncode == 0, ran.stderr


def test_every_line_of_a_block_of_targets_is_one() -> None:
    lines = [line for block in commands() if block.reason == "targets of make" for line in block.text.splitlines()]

    assert [line for line in lines if not line.startswith("make ")] == []


def test_options_of_ballast_that_are_not_run_are_there() -> None:
    lines = [line for block in commands() if block.reason == "takes minutes" for line in block.text.splitlines()]

    for line in lines:
        program, command, *rest = line.split()
        ran = subprocess.run(
            [REPOSITORY / program, command, "--help"], capture_output=True, text=True, timeout=30, check=True
        )
        assert [word for word in rest if word.startswith("--") and word not in ran.stdout] == []


def test_what_is_run_elsewhere_is() -> None:
    clients = "".join(path.read_text() for path in (REPOSITORY / "tests" / "clients").glob("*.py"))
    programs = [block.text for block in commands() if block.reason == "by tests/clients, in an environment of its own"]

    assert [text for text in programs if text.removeprefix("npx ").split()[0] not in clients] == []
    named = {name for reason in NOT_RUN.values() for name in re.findall(r"tests/[\w/]+\.py", reason)}
    assert [name for name in named if not (REPOSITORY / name).is_file()] == []


def test_files_that_commands_name_are_there() -> None:
    named = {
        word.removeprefix("/opt/ballast/")
        for block in commands()
        for word in re.findall(r"(?:/opt/ballast/)?(?:deploy|examples|docs|packages)/[\w./-]+", block.text)
    }

    assert named
    assert [name for name in sorted(named) if not (REPOSITORY / name.rstrip("/")).exists()] == []
