"""The pages that people read, and the fenced blocks in them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tests.media_files import REPOSITORY

COMMANDS = frozenset({"sh", "bash", "console", "shell"})

_FENCE = re.compile(r"^(\s*)(```+|~~~+)(.*)$")
_NOT_RUN = re.compile(r"^<!-- not run: (.+) -->$")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block. `name` is the file that the page tells the reader to save it as ("" for none).

    `reason` is why its commands are not run, as the comment `<!-- not run: ... -->` above it says; None without one.
    """

    page: str
    line: int
    language: str
    name: str
    text: str
    reason: str | None

    @property
    def is_commands(self) -> bool:
        return self.language in COMMANDS

    @property
    def first_line(self) -> str:
        return self.text.splitlines()[0].strip()


def pages() -> list[Path]:
    """Return every page with commands or files for readers; records of decisions tell of the past."""
    return sorted(
        [
            REPOSITORY / "README.md",
            REPOSITORY / "CONTRIBUTING.md",
            *(REPOSITORY / "docs").glob("*.md"),
            *(REPOSITORY / "packages").glob("*/README.md"),
            *(REPOSITORY / "examples").rglob("*.md"),
        ]
    )


def blocks_of(path: Path) -> list[Block]:
    """Return the blocks of a page in order.

    Raises:
        AssertionError: a block is indented or does not end, so that a renderer or this reader could take it otherwise.
    """
    page = path.relative_to(REPOSITORY).as_posix()
    found: list[Block] = []
    begun: tuple[int, str, list[str]] | None = None
    above = ""
    for number, line in enumerate(path.read_text().splitlines(), 1):
        fence = _FENCE.match(line)
        if begun is None and fence is not None:
            assert not fence[1], f"{page}:{number}: an indented block"
            begun = (number, fence[3].strip(), [])
        elif begun is not None and fence is not None and not fence[3]:
            found.append(_block(page, begun, above))
            begun, above = None, ""
        elif begun is not None:
            begun[2].append(line)
        elif line.strip():
            above = line
    assert begun is None, f"{page}: a block does not end"
    return found


def _block(page: str, begun: tuple[int, str, list[str]], above: str) -> Block:
    number, info, lines = begun
    language, _, name = info.partition(" ")
    reason = _NOT_RUN.match(above)
    return Block(page, number, language, name.strip(), "\n".join(lines) + "\n", reason[1] if reason else None)
