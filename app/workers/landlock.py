"""What of the file system a process may still open: Landlock rules (landlock(7), linux/landlock.h).

Where the kernel has no Landlock (before 5.13, or built or started without it) nothing is ruled. The descriptors that a
process has already are not affected. A process with rules cannot look into one without them, nor into its siblings
(ptrace, `/proc/PID`), and from ABI 6 on it cannot send them signals. Imports next to nothing, as `caged.py` needs it.
"""

from __future__ import annotations

import ctypes
import os
import stat
import struct

from app.workers.cage import LIBC

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
"""Numbers of the system calls, the same on every architecture."""

_VERSION_FLAG, _PATH_BENEATH = 1, 1
_NO_NEW_PRIVILEGES = 38

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_TRUNCATE, _IOCTL_DEV = 1 << 14, 1 << 15
_ALL_BY_ABI = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
"""The rights on files that each ABI knows, from execution to device ioctls; what is not listed is as before."""
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
_TCP = 0b11
"""Binding and connecting, from ABI 4 on."""
_SCOPED = 0b11
"""Abstract Unix sockets and signals, from ABI 6 on."""


def abi() -> int:
    """Return the version of Landlock that this kernel has, 0: none that can be used."""
    version: int = LIBC.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(_VERSION_FLAG))
    return max(0, version)


class Rules:
    """Collects what may be opened, and has the kernel refuse all else from `restrict` on."""

    def __init__(self, version: int, *, network: bool = False) -> None:
        """`version`: what `abi` said, at least 1. `network`: connections may be made.

        Raises:
            OSError: no rules can be made.
        """
        self._handled = next(rights for since, rights in reversed(_ALL_BY_ABI.items()) if version >= since)
        tcp, scoped = _TCP if version >= 4 and not network else 0, _SCOPED if version >= 6 else 0
        sizes = 8 if version < 4 else 16 if version < 6 else 24
        attributes = struct.pack("QQQ", self._handled, tcp, scoped)[:sizes]
        self._ruleset = self._call(_CREATE_RULESET, attributes, ctypes.c_size_t(sizes), ctypes.c_uint32(0))

    def read(self, paths: Iterable[str]) -> None:
        """Let these files be read, and all that is beneath these folders; what is not there is left out."""
        for path in paths:
            self._allow(path, _READ_FILE | _READ_DIR)

    def execute(self, paths: Iterable[str]) -> None:
        """Let these files be executed and read."""
        for path in paths:
            self._allow(path, _EXECUTE | _READ_FILE)

    def change(self, paths: Iterable[str]) -> None:
        """Let anything be done in these folders, but nothing be executed."""
        for path in paths:
            self._allow(path, self._handled & ~_EXECUTE)

    def restrict(self) -> None:
        """Put the rules on, on this thread and on what it starts from now on, for good.

        Raises:
            OSError: that is not possible.
        """
        try:
            if LIBC.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) != 0:
                raise OSError(ctypes.get_errno(), "no_new_privs cannot be set")
            self._call(_RESTRICT_SELF, ctypes.c_int(self._ruleset), ctypes.c_uint32(0))
        finally:
            os.close(self._ruleset)

    def _allow(self, path: str, rights: int) -> None:
        try:
            descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            return
        try:
            if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
                rights &= _OF_FILES
            rule = struct.pack("=Qi", rights & self._handled, descriptor)
            self._call(_ADD_RULE, ctypes.c_int(self._ruleset), _PATH_BENEATH, rule, ctypes.c_uint32(0))
        finally:
            os.close(descriptor)

    def _call(self, number: int, *arguments: object) -> int:
        result: int = LIBC.syscall(number, *arguments)
        if result < 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
        return result
