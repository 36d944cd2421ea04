"""glibc's allocator, where it is the one in use. Imports nothing heavy: the workers use it too."""

from __future__ import annotations

import ctypes
from collections.abc import Callable

# mallopt(3) and malloc.h of glibc
_M_TRIM_THRESHOLD = -1
_M_TOP_PAD = -2
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8

_KEPT_PIECE_BYTES = 1088 * 1024
"""The largest piece is 1 MiB of a download, and a bytes object has a header: with 1 MiB here each was mapped anew (256
page faults for each, and a download took 1.9 times as long)."""

_KEPT_BYTES = 4 * 1024 * 1024

_ARENAS = 2
"""As the launcher has it: what is kept is kept in each arena, and by itself glibc has one for nearly each thread."""


def find_malloc_trim() -> Callable[[], object] | None:
    """Return glibc's `malloc_trim(0)`, or None where there is none."""
    trim = _find("malloc_trim", ctypes.c_size_t)
    return None if trim is None else lambda: trim(0)


def keep_transfer_buffers() -> None:
    """Let glibc keep a little memory for the pieces of uploads and downloads, instead of mapping each anew.

    A piece has up to 256 KiB (uvloop's read). By itself glibc maps what is above 128 KiB and gives it back at once:
    64 page faults a piece, a third of the CPU time of an upload. Nothing happens where the allocator is another one.
    """
    mallopt = _find("mallopt", ctypes.c_int, ctypes.c_int)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, _ARENAS)
        mallopt(_M_MMAP_THRESHOLD, _KEPT_PIECE_BYTES)
        mallopt(_M_TOP_PAD, _KEPT_BYTES)


def keep_between_calls(kept_bytes: int) -> None:
    """Let the heap keep `kept_bytes` of what was freed, pieces of up to half of it included, until it is trimmed."""
    mallopt = _find("mallopt", ctypes.c_int, ctypes.c_int)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, kept_bytes // 2)
        mallopt(_M_TRIM_THRESHOLD, kept_bytes)


def _find(name: str, *arguments: type[ctypes.c_int | ctypes.c_size_t]) -> Callable[..., object] | None:
    """Return a function of the C library in use that returns an int, or None where there is none of this name."""
    try:
        function = getattr(ctypes.CDLL(None), name)
    except (AttributeError, OSError, TypeError):
        return None
    function.argtypes = arguments
    found: Callable[..., object] = function
    return found
