"""What is in the cache's folder, and which of it goes first. All of this blocks, and runs in threads.

Files are looked at as they come from the disk, one folder after the other: memory does not grow with their number.
"""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from app.derived.layout import is_reference, subject_folder, target_of

_MINUTE_NS = 60 * 10**9


@dataclass(slots=True)
class Tally:
    """How many files, and their bytes. References are no files of their own."""

    entries: int = 0
    size_bytes: int = 0

    def add(self, size_bytes: int) -> None:
        self.entries += 1
        self.size_bytes += size_bytes


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    used_ns: int
    size_bytes: int

    @property
    def minute(self) -> int:
        return self.used_ns // _MINUTE_NS


def survey(root: Path) -> Tally:
    """Return what there is."""
    found = Tally()
    for file in _files(root):
        found.add(file.size_bytes)
    return found


def remove_oldest(root: Path, wanted_bytes: int) -> Tally:
    """Remove the files that were not used for longest, at least `wanted_bytes`; return what was removed.

    Those of one minute are sorted together, so that only so many are in memory at a time.
    """
    by_minute: Counter[int] = Counter()
    for file in _files(root):
        by_minute[file.minute] += file.size_bytes
    last, left_bytes = _last_minute(by_minute, wanted_bytes)
    removed, others = Tally(), []
    for file in _files(root):
        if file.minute < last:
            _remove(file, removed)
        elif file.minute == last:
            others.append(file)
    for file in sorted(others, key=lambda one: one.used_ns):
        if left_bytes <= 0:
            break
        left_bytes -= file.size_bytes
        _remove(file, removed)
    return removed


def remove_subject(root: Path, subject: str) -> Tally:
    """Remove what was made from an item, and what was made of it too; return what was removed."""
    removed, folder = Tally(), subject_folder(root, subject)
    for entry in _scanned(folder):
        path = Path(entry.path)
        if is_reference(entry.name):
            path.unlink(missing_ok=True)
            path = target_of(root, entry.name)
        with contextlib.suppress(FileNotFoundError):
            _remove(_looked_at(path, path.stat(follow_symlinks=False)), removed)
    _remove_empty(folder)
    return removed


def _last_minute(by_minute: Counter[int], wanted_bytes: int) -> tuple[int, int]:
    """Return the last minute of which files have to go, and how many bytes of it."""
    minute = -1
    for minute, size_bytes in sorted(by_minute.items()):  # noqa: B007 - it is what is looked for
        if size_bytes >= wanted_bytes:
            break
        wanted_bytes -= size_bytes
    else:
        minute += 1
    return minute, wanted_bytes


def _files(root: Path) -> Iterator[_File]:
    """Give all files. Folders that have become empty, and references to what is gone, are removed on the way."""
    for bucket in [entry.path for entry in _scanned(root) if entry.is_dir(follow_symlinks=False)]:
        for subject in [Path(entry.path) for entry in _scanned(Path(bucket))]:
            is_empty = True
            for entry in _scanned(subject):
                if is_reference(entry.name) and not target_of(root, entry.name).exists():
                    Path(entry.path).unlink(missing_ok=True)
                    continue
                is_empty = False
                if not is_reference(entry.name):
                    with contextlib.suppress(FileNotFoundError):
                        yield _looked_at(Path(entry.path), entry.stat(follow_symlinks=False))
            if is_empty:
                _remove_empty(subject)


def _looked_at(path: Path, state: os.stat_result) -> _File:
    return _File(path, state.st_mtime_ns, state.st_size)


def _scanned(folder: Path) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            yield from entries
    except (FileNotFoundError, NotADirectoryError):
        return


def _remove(file: _File, removed: Tally) -> None:
    file.path.unlink(missing_ok=True)
    removed.add(file.size_bytes)


def _remove_empty(folder: Path) -> None:
    with contextlib.suppress(OSError):  # something has come in again, or it was never there
        folder.rmdir()
