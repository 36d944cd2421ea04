"""Text files that the kernel writes when they are read: `/proc` and the control group file system."""

from __future__ import annotations

import os
from pathlib import Path

_MAX_BYTES = 64 * 1024  # the longest file kept open, v2 memory.stat, has about 2 KiB


class KernelFile:
    """One such file, kept open: reading it again costs 1-7 us, opening it each time 8-14 us (measured).

    A missing or unreadable file is no error: it reads as nothing, and so does None. A descriptor of `/proc/PID/...`
    stays with the process it was opened for, so a reused process id is never taken for the old process: it reads as
    nothing, too.
    """

    __slots__ = ("_descriptor",)

    def __init__(self, path: Path | None) -> None:
        try:
            self._descriptor = -1 if path is None else os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self._descriptor = -1

    def read(self) -> bytes:
        """Return the present content, from its start; nothing where it cannot be read (any more)."""
        if self._descriptor < 0:
            return b""
        try:
            return os.pread(self._descriptor, _MAX_BYTES, 0)
        except OSError:  # the process has ended (ESRCH), the group is gone (ENODEV), PSI is off (EOPNOTSUPP)
            return b""

    def close(self) -> None:
        """Close the descriptor; a second call does nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def read_once(path: Path) -> bytes:
    """Return what the file holds now; nothing where it cannot be read."""
    try:
        return path.read_bytes()
    except OSError:
        return b""


def parse_table(text: bytes) -> dict[bytes, int]:
    """Read lines such as `anon 4096` or `MemTotal:  24684092 kB` as name to number (`kB` becomes bytes).

    Lines of any other form are passed over.
    """
    table: dict[bytes, int] = {}
    for line in text.splitlines():
        name, _, rest = line.partition(b" ")
        number, _, unit = rest.strip().partition(b" ")
        if number.isdigit():
            table[name.rstrip(b":")] = int(number) * 1024 if unit == b"kB" else int(number)
    return table
