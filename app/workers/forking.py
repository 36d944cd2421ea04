"""Whether children can be forked on this machine. Imports nothing heavy: the children use it too."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

MESSAGE_BYTES = 16384
"""More than any message between the API and a zygote takes."""


def fork_obstacle() -> str | None:
    """Return why children cannot be forked from a zygote here, None where they can.

    A process must be watched and killed by its pidfd: pidfd_send_signal(2) came with Linux 5.1, pidfd_open(2) with 5.3;
    a sandbox around the service may refuse both.
    """
    if not sys.platform.startswith("linux"):
        return "children are forked on Linux only"
    try:
        descriptor = os.pidfd_open(os.getpid())
    except (AttributeError, OSError) as error:
        return f"the system has no pidfd_open(2), which Linux has from 5.3 on ({error})"
    try:
        signal.pidfd_send_signal(descriptor, 0)
    except (AttributeError, OSError) as error:
        return f"the system has no pidfd_send_signal(2) ({error})"
    finally:
        os.close(descriptor)
    return None if Path("/proc/self/task").is_dir() else "/proc is not mounted: threads cannot be counted"


def thread_count() -> int:
    """Return how many threads this process has, those of native libraries too (proc(5))."""
    return len(os.listdir("/proc/self/task"))  # noqa: PTH208 - before each fork: Path costs more than the listing
