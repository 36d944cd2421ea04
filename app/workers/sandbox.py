"""The cage a child puts itself into before it touches any input: no network, a data limit, first to be killed.

Sources: seccomp(2), prctl(2), proc(5); the filter was tried with mediapipe 1.2.2 (docs/decisions/0004-sandbox.md).
"""

from __future__ import annotations

import contextlib
import os
import platform
import resource
import signal
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

from app.workers import cage
from app.workers.footprint import read_status
from app.workers.forking import fork_obstacle

# Classic BPF: codes of the three instructions used, and seccomp's return values.
_LOAD, _JUMP_EQUAL, _RETURN = 0x20, 0x15, 0x06
_JUMP_GREATER_EQUAL = 0x35
_ALLOW, _ERRNO, _KILL_PROCESS = 0x7FFF0000, 0x00050000, 0x80000000
_EACCES, _ENOSYS = 13, 38
_AF_UNIX = 1
# Offsets in struct seccomp_data.
_NR, _ARCH, _FIRST_ARGUMENT = 0, 4, 16
_X32_BIT = 0x40000000

_IO_URING_SETUP = 425
_ARCHITECTURES = {"x86_64": (0xC000003E, 41), "aarch64": (0xC00000B7, 198)}
"""Audit architecture and number of socket(2) by machine (linux/audit.h, the syscall tables)."""


OOM_SCORE_ADJ = 900
"""Well above the API's 0: the kernel takes a child first. Raising one's own score needs no privilege."""

NICENESS = 5
"""A third of the API's weight: the API answers, and hands out the next call, when it has to (docs/decisions/0020)."""


def outlook() -> dict[str, object]:
    """Return what the cage can be expected to do on this machine, and how children are started, before any is."""
    known = sys.platform.startswith("linux") and platform.machine() in _ARCHITECTURES
    return {
        "network": not (known and Path("/proc/sys/kernel/seccomp/actions_avail").exists()),
        "startMethod": "fork" if fork_obstacle() is None else "exec",
        "observed": False,
    }


def niceness_of_children() -> int:
    """Return the niceness that children of this process are to have."""
    return min(19, os.getpriority(os.PRIO_PROCESS, 0) + NICENESS)


def enter(parent_pid: int, data_limit_bytes: int | None, niceness: int) -> dict[str, object]:
    """Put this process into the cage; what the platform lacks is reported, not raised.

    Call it first thing, on the main thread, before any other thread is there: a seccomp filter covers the calling
    thread and what it starts later. Return which parts hold, as the memory probe shows them: `network` is whether the
    network can still be reached.
    """
    step_back(niceness)
    return {
        "parentDeathSignal": cage.die_with(parent_pid),
        "oomScoreAdj": OOM_SCORE_ADJ if cage.set_oom_score(OOM_SCORE_ADJ) else None,
        "dataLimitBytes": _limit_data(data_limit_bytes),
        "network": not forbid_network(),
        "observed": True,
    }


class DataCage:
    """Holds the data of this process to what a call was granted: the soft limit of RLIMIT_DATA.

    Without `/proc` nothing is limited.
    """

    def __init__(self) -> None:
        self._soft, self._hard = resource.getrlimit(resource.RLIMIT_DATA)

    @contextlib.contextmanager
    def allowance(self, nbytes: int) -> Iterator[None]:
        """Let the process grow by `nbytes` of data at most, for the block; what needs more gets a MemoryError."""
        # VmData is what RLIMIT_DATA is compared with; `statm` says a little less.
        if present_bytes := read_status(b"VmData:")[0]:
            self._limit(present_bytes + nbytes)
        try:
            yield
        finally:
            self._limit(self._soft)

    def _limit(self, wanted: int) -> None:
        if self._hard != resource.RLIM_INFINITY:
            wanted = self._hard if wanted == resource.RLIM_INFINITY else min(wanted, self._hard)
        resource.setrlimit(resource.RLIMIT_DATA, (wanted, self._hard))


def step_back(niceness: int) -> None:
    """Leave the processor to the API when both want it: `niceness_of_children` is asked there."""
    os.setpriority(os.PRIO_PROCESS, 0, max(niceness, os.getpriority(os.PRIO_PROCESS, 0)))
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)  # so that it may log to a terminal whose process group it is not in


def _limit_data(limit_bytes: int | None) -> int | None:
    # RLIMIT_DATA follows anonymous memory; RLIMIT_AS would need 2-3 times as much (libraries are mapped too).
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if limit_bytes is not None:
            resource.setrlimit(resource.RLIMIT_DATA, (limit_bytes, limit_bytes))
            return limit_bytes
    return None


def network_filter() -> bytes:
    """Return the BPF program that forbids the network, nothing where the machine is not known.

    Each step is (code, jump if true, jump if false, value).
    """
    known = _ARCHITECTURES.get(platform.machine())
    if known is None or not sys.platform.startswith("linux"):
        return b""
    architecture, socket_number = known
    steps = [
        (_LOAD, 0, 0, _ARCH),
        (_JUMP_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL_PROCESS),
        (_LOAD, 0, 0, _NR),
        (_JUMP_GREATER_EQUAL, 0, 1, _X32_BIT),
        (_RETURN, 0, 0, _ERRNO | _ENOSYS),
        (_JUMP_EQUAL, 0, 1, _IO_URING_SETUP),
        (_RETURN, 0, 0, _ERRNO | _ENOSYS),
        (_JUMP_EQUAL, 1, 0, socket_number),
        (_RETURN, 0, 0, _ALLOW),
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        (_JUMP_EQUAL, 0, 1, _AF_UNIX),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _ERRNO | _EACCES),
    ]
    return b"".join(struct.pack("HBBI", *step) for step in steps)


def forbid_network() -> bool:
    """Let socket(2) make Unix sockets only, and io_uring (which makes sockets too) none. True where it holds."""
    code = network_filter()
    return bool(code) and cage.filter_system_calls(code)
