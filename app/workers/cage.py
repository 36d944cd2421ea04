"""The parts of the cage that need nothing but the C library, and other people's programs in it.

Run by its path as a program of its own (`python -I -S cage.py`) it enters the cage and becomes another program, so it
imports next to nothing: that costs 20 ms. Nothing runs between fork and exec in the service itself; no tool is needed
that the system may lack (prlimit, setpriv).
"""

import ctypes
import os
import resource
import sys

_PR_SET_PDEATHSIG, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 1, 22, 38
_SECCOMP_MODE_FILTER = 2
_SIGKILL = 9


class _Program(ctypes.Structure):
    """struct sock_fprog (linux/filter.h)."""

    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]


def die_with(parent: int) -> bool:
    """Have the kernel kill this process when its parent ends; False where it cannot."""
    if not sys.platform.startswith("linux") or ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0) != 0:
        return False
    if os.getppid() != parent:  # it died before the signal was set
        os._exit(0)
    return True


def set_oom_score(score: int) -> bool:
    """Set how readily the kernel ends this process when memory runs out; False where it cannot be set."""
    try:
        with open("/proc/self/oom_score_adj", "w") as file:  # noqa: PTH123 - see above
            file.write(str(score))
    except OSError:
        return False
    return True


def filter_system_calls(code: bytes) -> bool:
    """Have the kernel check every system call by a BPF program from now on; False where it cannot."""
    buffer = ctypes.create_string_buffer(code, len(code))
    program = _Program(len(code) // 8, ctypes.cast(buffer, ctypes.c_void_p))
    prctl = ctypes.CDLL(None).prctl
    if prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return False
    return bool(prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0) == 0)


def main(arguments: list[str]) -> None:
    """Enter the cage and become the program.

    `arguments`: the parent's process id, the limits of data (bytes), CPU time (seconds) and file size (bytes), the OOM
    score adjustment, the niceness, the network filter as hexadecimal digits (`-`: none), and the program with its own
    arguments.
    """
    parent, data_bytes, cpu_seconds, file_bytes, score, niceness = (int(argument) for argument in arguments[:6])
    die_with(parent)
    for limit, value in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_CPU, cpu_seconds),
        (resource.RLIMIT_FSIZE, file_bytes),
        (resource.RLIMIT_DATA, data_bytes),
    ):
        resource.setrlimit(limit, (value, value))
    os.nice(niceness)
    set_oom_score(score)
    if arguments[6] != "-":
        filter_system_calls(bytes.fromhex(arguments[6]))
    os.execv(arguments[7], arguments[7:])


if __name__ == "__main__":
    main(sys.argv[1:])
