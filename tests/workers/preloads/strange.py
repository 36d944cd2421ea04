"""Makes a machine of the zygote whose system calls nobody knows."""

import os
from types import SimpleNamespace

os.uname = lambda: SimpleNamespace(machine="riscv64")  # type: ignore[assignment, return-value]
