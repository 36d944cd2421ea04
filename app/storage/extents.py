"""What Linux can be told of a file that grows, and Python has no words for: fallocate(2) and sync_file_range(2).

Both are hints. Where the system or the file system has no such call, nothing happens and nothing depends on it.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from contextlib import suppress

_FALLOC_FL_KEEP_SIZE = 1  # linux/falloc.h
_SYNC_FILE_RANGE_WRITE = 2  # sync_file_range(2): start write-out of dirty pages, do not wait for it


def allocate(fd: int, offset: int, size_bytes: int) -> None:
    """Give the file its blocks before they are written; its size stays as it is.

    Writing into blocks that are there costs half the CPU time on ext4 (`python -m benchmarks.upload`), and they lie
    together. A failure says nothing: less may be needed than is asked for, so the write itself tells of a full disk.
    """
    if _fallocate is not None:
        _fallocate(fd, _FALLOC_FL_KEEP_SIZE, offset, size_bytes)


def trim(fd: int) -> None:
    """Give back the blocks that were allocated beyond the end of the file."""
    with suppress(OSError):
        os.ftruncate(fd, os.fstat(fd).st_size)


def begin_write_back(fd: int, offset: int, size_bytes: int) -> None:
    """Ask the kernel to begin writing these bytes to the disk, and do not wait for it."""
    if _sync_file_range is not None:
        _sync_file_range(fd, offset, size_bytes, _SYNC_FILE_RANGE_WRITE)


def _find(name: str, *types: type) -> Callable[..., int] | None:
    """Return a function of the C library with these arguments, None where there is no such function."""
    try:
        function = getattr(ctypes.CDLL(None), name)
    except (AttributeError, OSError, TypeError):
        return None
    function.argtypes = types
    function.restype = ctypes.c_int
    found: Callable[..., int] = function
    return found


_fallocate = _find("fallocate", ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
_sync_file_range = _find("sync_file_range", ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
