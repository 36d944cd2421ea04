"""Standard error of a process of ours: for our own lines only."""

from __future__ import annotations

import os
import sys
from typing import TextIO


def keep_own_stderr() -> TextIO:
    """Keep standard error for our own lines and silence the native libraries, which no setting does.

    In a forked child that is done already, by its zygote.
    """
    if sys.stderr.fileno() == 2:
        own = os.fdopen(os.dup(2), "w", buffering=1, encoding="utf-8", errors="replace")
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 2)
        os.close(null)
        sys.stderr = own
    return sys.stderr
