"""What is in the cache's folder, and which of it goes first. All of this blocks, and runs in threads.

Files are looked at as they come from the disk, one folder after the other: memory does not grow with their number.
"""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

_MINUTE_NS = 60 * 10**9


def survey(folder: Path) -> tuple[int, int]:
    """Return how many files there are, and their bytes."""
    entries = size_bytes = 0
    for _, state in _files(folder):
        entries += 1
        size_bytes += state.st_size
    return entries, size_bytes


def remove_oldest(folder: Path, wanted_bytes: int) -> tuple[int, int]:
    """Remove the files that were not used for longest, at least `wanted_bytes`; return how many, and their bytes.

    Those of one minute are sorted together, so that only so many are in memory at a time.
    """
    by_minute: Counter[int] = Counter()
    for _, state in _files(folder):
        by_minute[state.st_mtime_ns // _MINUTE_NS] += state.st_size
    last, left_bytes = _last_minute(by_minute, wanted_bytes)
    removed, removed_bytes, others = 0, 0, []
    for path, state in _files(folder):
        minute = state.st_mtime_ns // _MINUTE_NS
        if minute < last:
            removed, removed_bytes = removed + _remove(path), removed_bytes + state.st_size
        elif minute == last:
            others.append((state.st_mtime_ns, state.st_size, path))
    for _, size_bytes, path in sorted(others):
        if left_bytes <= 0:
            break
        left_bytes -= size_bytes
        removed, removed_bytes = removed + _remove(path), removed_bytes + size_bytes
    return removed, removed_bytes


def remove_folder(folder: Path) -> tuple[int, int]:
    """Remove a folder that holds files only; return how many there were, and their bytes."""
    removed = removed_bytes = 0
    for entry in _scanned(folder):
        state = entry.stat(follow_symlinks=False)
        removed, removed_bytes = removed + _remove(Path(entry.path)), removed_bytes + state.st_size
    _remove_empty(folder)
    return removed, removed_bytes


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


def _files(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Give the files of all media items. A folder that has become empty is removed on the way."""
    for bucket in [entry.path for entry in _scanned(folder) if entry.is_dir(follow_symlinks=False)]:
        for subject in [entry.path for entry in _scanned(Path(bucket))]:
            seen = 0
            for entry in _scanned(Path(subject)):
                seen += 1
                with contextlib.suppress(FileNotFoundError):
                    yield Path(entry.path), entry.stat(follow_symlinks=False)
            if not seen:
                _remove_empty(Path(subject))


def _scanned(folder: Path) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            yield from entries
    except (FileNotFoundError, NotADirectoryError):
        return


def _remove(path: Path) -> int:
    path.unlink(missing_ok=True)
    return 1


def _remove_empty(folder: Path) -> None:
    with contextlib.suppress(OSError):  # something has come in again, or it was never there
        folder.rmdir()
