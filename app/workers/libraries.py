"""Where libraries are, and what they look at: all that a child may read, beside what it is started for.

Files of the kernel are those that libraries ask how many processors and how much memory there is.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import app

SYSTEM = (
    *("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/usr/share", "/nix/store"),
    *("/etc/ld.so.cache", "/etc/localtime", "/etc/fonts"),
    *("/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/sys/vm/overcommit_memory"),
    *("/sys/devices/system/cpu", "/sys/devices/system/node", "/sys/kernel/mm/transparent_hugepage"),
    *("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom"),
)

INTERPRETERS = ("/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1")
"""What the kernel starts in a program's place, to load its libraries."""

_INSTALLED = ("site-packages", "dist-packages")


def of_python() -> list[str]:
    """Return where this interpreter finds its modules, and our own package.

    What else is on its path, such as a checkout, is not among them: the storage root may lie in it.
    """
    own = os.path.join(sys.base_prefix, "lib")  # noqa: PTH118 - in every child: a Path costs more than it
    folders = [path for path in sys.path if path.endswith(_INSTALLED)]  # the standard library is in `own`
    return [own, *folders, str(Path(app.__file__).parent)]
