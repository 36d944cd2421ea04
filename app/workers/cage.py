"""Other people's programs in the cage of our own children: what `sandbox` does from within is done to them before exec.

Run by its path as a program of its own (`python -I -S cage.py`), so it imports next to nothing: it costs 20 ms. Nothing
runs between fork and exec in the service itself; no tool is needed that the system may lack (prlimit, setpriv).
"""

import contextlib
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


def main(arguments: list[str]) -> None:
    """Enter the cage and become the program.

    `arguments`: the parent's process id, the limits of data (bytes), CPU time (seconds) and file size (bytes), the OOM
    score adjustment, the niceness, the network filter as hexadecimal digits (`-`: none), and the program with its own
    arguments.
    """
    parent, data_bytes, cpu_seconds, file_bytes, score, niceness = (int(argument) for argument in arguments[:6])
    libc = ctypes.CDLL(None)
    if sys.platform.startswith("linux"):
        libc.prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it died before the signal was set
            os._exit(0)
    for limit, value in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_CPU, cpu_seconds),
        (resource.RLIMIT_FSIZE, file_bytes),
        (resource.RLIMIT_DATA, data_bytes),
    ):
        resource.setrlimit(limit, (value, value))
    os.nice(niceness)
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:  # noqa: PTH123 - see above
        file.write(str(score))
    if arguments[6] != "-":
        code = bytes.fromhex(arguments[6])
        buffer = ctypes.create_string_buffer(code, len(code))
        program = _Program(len(code) // 8, ctypes.cast(buffer, ctypes.c_void_p))
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0)
    os.execv(arguments[7], arguments[7:])


if __name__ == "__main__":
    main(sys.argv[1:])
