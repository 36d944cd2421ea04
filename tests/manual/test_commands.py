"""Every command of the manual is run, page by page, by somebody who types it in order at a real service."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.e2e.server import RunningServer, run_server
from tests.manual.blocks import Block, blocks_of, pages
from tests.manual.reader import Reader
from tests.media_files import REPOSITORY

pytestmark = pytest.mark.timeout(120)

NOT_RUN = {
    ("CONTRIBUTING.md", "make test     # sets up what the tests need and runs them (ARGS=\"-k name\" for some)"): "targets of make",
    ("README.md", "make run"): "targets of make",
    ("README.md", "make test"): "targets of make",
}
"""Page and first line of each block that is not run here, and why."""


@cache
def blocks(path: Path) -> list[Block]:
    return blocks_of(path)


def commands() -> list[Block]:
    return [block for path in pages() for block in blocks(path) if block.is_commands]


def with_commands() -> list[Path]:
    return [path for path in pages() if any(block.is_commands and block.reason is None for block in blocks(path))]


def named(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix()


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video of two seconds with sound."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    picture = "testsrc2=size=320x180:rate=15:duration=2"
    sound = "sine=frequency=440:duration=2"
    program = ["ffmpeg", "-loglevel", "error", "-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", sound]
    subprocess.run([*program, "-pix_fmt", "yuv420p", "-g", "15", str(path)], check=True, timeout=60)
    return path


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    settings = {"VISION__WORKERS": "1", "MEMORY__LIMIT": "1G"}
    with run_server(tmp_path_factory.mktemp("manual"), settings) as server:
        yield server


@pytest.mark.model
@pytest.mark.photo
@pytest.mark.parametrize("path", with_commands(), ids=named)
def test_a_page_can_be_typed_from_its_top_to_its_end(
    path: Path, server: RunningServer, clip: Path, tmp_path: Path
) -> None:
    wrong = Reader(server, clip).run(blocks(path), tmp_path)

    assert wrong == []


def test_what_is_not_run_is_listed_here_with_the_reason_that_the_page_gives() -> None:
    excepted = {(block.page, block.first_line): block.reason for block in commands() if block.reason is not None}

    assert excepted == NOT_RUN


def test_most_blocks_are_run() -> None:
    assert len(commands()) >= 6 * len(NOT_RUN)


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
