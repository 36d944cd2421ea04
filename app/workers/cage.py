"""The parts of the cage that need nothing but the C library.

`caged.py` enters it with them before it becomes another program, so they import next to nothing.
"""

import ctypes
import os
import resource
import sys

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 1, 4, 22, 38
_SECCOMP_MODE_FILTER = 2
_SIGKILL = 9
_CAPABILITY_VERSION_3 = 0x20080522

LIBC = ctypes.CDLL(None, use_errno=True)
"""The C library; opened once, because that takes 0.1 ms in a process that was just forked."""


class _CapabilityHeader(ctypes.Structure):
    """struct __user_cap_header_struct (linux/capability.h); pid 0: the calling thread."""

    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


class _Program(ctypes.Structure):
    """struct sock_fprog (linux/filter.h)."""

    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]


def die_with(parent: int) -> bool:
    """Have the kernel kill this process when its parent ends; False where it cannot."""
    if not sys.platform.startswith("linux") or LIBC.prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0) != 0:
        return False
    if os.getppid() != parent:  # it died before the signal was set
        os._exit(0)
    return True


def hide_from_others() -> bool:
    """Let no process without privileges read this one's memory, environment or descriptors, nor trace it (prctl(2)).

    Its files in `/proc` belong to root from now on, and it leaves no core file. False where it cannot be done.
    """
    return sys.platform.startswith("linux") and bool(LIBC.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) == 0)


def drop_privileges() -> bool:
    """Give up all capabilities (capset(2)): root without them is a user like others. False where that cannot be."""
    if not sys.platform.startswith("linux"):
        return False
    header = _CapabilityHeader(_CAPABILITY_VERSION_3, 0)
    found = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable, twice
    if LIBC.capget(ctypes.byref(header), found) == 0 and not any(found):
        return True
    return bool(LIBC.capset(ctypes.byref(header), (ctypes.c_uint32 * 6)()) == 0)


def limit(**most: int) -> bool:
    """Set resource limits for good, by their names in `resource`: `limit(core=0)`. False where one cannot be set."""
    try:
        for name, value in most.items():
            number = getattr(resource, f"RLIMIT_{name.upper()}")
            hard = resource.getrlimit(number)[1]
            allowed = value if hard == resource.RLIM_INFINITY else min(value, hard)
            resource.setrlimit(number, (allowed, allowed))
    except (OSError, ValueError):
        return False
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
    if LIBC.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return False
    return bool(LIBC.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0) == 0)
