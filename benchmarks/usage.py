"""What one process uses, as the kernel counts it. psutil does not know the peak (VmHWM of proc(5))."""

from __future__ import annotations

from pathlib import Path

import psutil


class ProcessEnded(Exception):
    """The process is gone."""


def cpu_seconds(pid: int) -> float:
    """Return the time that a process has run, user and system, in steps of 10 ms."""
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


def reset_peak(pid: int) -> int:
    """Have the kernel count the peak of the resident memory from now on, and return what it is now.

    Raises:
        ProcessEnded: see there.
    """
    Path(f"/proc/{pid}/clear_refs").write_text("5")  # proc(5): VmHWM starts again from VmRSS
    return peak_bytes(pid)


def peak_bytes(pid: int) -> int:
    """Return the most resident memory that a process had since the last reset.

    Raises:
        ProcessEnded: see there.
    """
    return _status_bytes(pid, "VmHWM:")


def anonymous_bytes(pid: int) -> int:
    """Return the resident memory that a process has of its own: no files, nothing shared (RssAnon of proc(5)).

    Raises:
        ProcessEnded: see there.
    """
    return _status_bytes(pid, "RssAnon:")


def _status_bytes(pid: int, name: str) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        lines = []
    sizes = [int(line.split()[1]) * 1024 for line in lines if line.startswith(name)]
    if not sizes:
        raise ProcessEnded(f"the process {pid} has ended")
    return sizes[0]
