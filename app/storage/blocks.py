"""The blocks of a file: allocated before they are written, written to the disk before the file is synced.

Every call here blocks, and does nothing where the system has no such call.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from contextlib import suppress

_FALLOC_FL_KEEP_SIZE = 1  # linux/falloc.h
_SYNC_FILE_RANGE_WRITE_AND_WAIT = 7
_SYNC_FILE_RANGE_WRITE = 2  # sync_file_range(2): start write-out of dirty pages, do not wait for it


def allocate(fd: int, offset: int, size_bytes: int) -> None:
    """Give a file its blocks before they are written (fallocate(2)); its size stays as it is.

    Writing into blocks that are there costs half the CPU time on ext4 (`python -m benchmarks.upload`), and they lie
    together. A failure means nothing: less may be needed than is asked for, so only the write itself tells of a full
    disk. Where there is no such call, nothing happens.
    """
    if _fallocate is not None:
        _fallocate(fd, _FALLOC_FL_KEEP_SIZE, offset, size_bytes)


def trim(fd: int) -> None:
    """Give back the blocks that were allocated beyond the end of the file."""
    with suppress(OSError):
        os.ftruncate(fd, os.fstat(fd).st_size)


def begin_write_back(fd: int, offset: int, size_bytes: int) -> None:
    """Ask the kernel to start writing these bytes to the disk (sync_file_range(2)), if it can, and do not wait."""
    if _sync_file_range is not None:
        _sync_file_range(fd, offset, size_bytes, _SYNC_FILE_RANGE_WRITE)


def write_out(fd: int, offset: int, size_bytes: int) -> None:
    """Write these bytes to the disk, if the kernel can, and wait for it; only fsync makes them survive a power cut.

    Raises:
        OSError: the disk does not take them.
    """
    if _sync_file_range is not None and _sync_file_range(fd, offset, size_bytes, _SYNC_FILE_RANGE_WRITE_AND_WAIT):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def _find(name: str, *types: type) -> Callable[..., int] | None:
    """Return a function of the C library with these arguments, None where there is no such function."""
    try:
        function = getattr(ctypes.CDLL(None, use_errno=True), name)
    except (AttributeError, OSError, TypeError):
        return None
    function.argtypes = types
    function.restype = ctypes.c_int
    found: Callable[..., int] = function
    return found


_fallocate = _find("fallocate", ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
_sync_file_range = _find("sync_file_range", ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
