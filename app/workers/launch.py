"""Starts the process of a child: `python -m app worker`."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import app

CHILD_ENVIRONMENT = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": "1310720",
    "MALLOC_TRIM_THRESHOLD_": "2621440",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
}
"""glibc's settings for children, chosen by measurement (docs/decisions/0006); BLAS gets no threads: nobody uses it."""


def launch(control: socket.socket) -> subprocess.Popen[bytes]:
    """Start a child, which inherits `control` and standard error, nothing else.

    Its environment is made from scratch, so that no key or address of ours is in it. No `preexec_fn`: it deadlocks
    with threads; the child puts itself into its sandbox.

    Raises:
        OSError: the process cannot be started.
    """
    environment = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "TMPDIR") if name in os.environ}
    environment |= CHILD_ENVIRONMENT | {"PYTHONPATH": str(Path(app.__file__).resolve().parents[1])}
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "app", "worker", str(control.fileno()), str(os.getpid())],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        pass_fds=(control.fileno(),),
        env=environment,
        process_group=0,  # Ctrl-C is not for it; in a session of its own its niceness would not count (record 0020)
    )
