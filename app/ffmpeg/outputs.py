"""The files that a run may write: made before it, as the cage asks for them by name, and gone after one that failed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


class OutputFiles:
    """`writes` are files or folders, as in `Work`. All methods block: they belong into a thread."""

    def __init__(self, writes: Sequence[Path], texts: Sequence[tuple[Path, str]] = ()) -> None:
        self._writes = writes
        self._texts = texts
        self._before: dict[Path, frozenset[Path]] = {}

    def prepare(self) -> None:
        """Make the files that are not there, empty; what is in the folders stays."""
        for path in self._writes:
            if path.is_dir():
                self._before[path] = frozenset(path.iterdir())
            else:
                path.touch()
        for path, text in self._texts:
            path.write_text(text)

    def remove_texts(self) -> None:
        """Remove what only the run had to read."""
        for path, _ in self._texts:
            path.unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove the files, and what came into the folders."""
        for path in self._writes:
            for file in self._of(path):
                file.unlink(missing_ok=True)

    def _of(self, path: Path) -> list[Path]:
        if path not in self._before:
            return [path] if path.is_file() else []
        return [file for file in path.iterdir() if file not in self._before[path] and not file.is_dir()]
