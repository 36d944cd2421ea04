"""glibc's allocator, where it is the one in use. Imports nothing heavy: the workers use it too."""

from __future__ import annotations

import ctypes
from collections.abc import Callable


def find_malloc_trim() -> Callable[[], object] | None:
    """Return glibc's `malloc_trim(0)`, or None where there is none."""
    try:
        function = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        return None
    function.argtypes = [ctypes.c_size_t]
    function.restype = ctypes.c_int
    return lambda: function(0)
