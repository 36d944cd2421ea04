"""Starts a process of our own in a fresh interpreter: a child (`python -m app worker`), or a zygote."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import app
from app.workers.launcher import StartMethod
from app.workers.pidfd import ProcessHandle

CHILD_ENVIRONMENT = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": "1310720",
    "MALLOC_TRIM_THRESHOLD_": "2621440",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
}
"""glibc's settings for children, chosen by measurement (docs/decisions/0006); BLAS gets no threads: nobody uses it."""


class PlainChild:
    """A child in an interpreter of its own."""

    start_method: StartMethod = "exec"
    is_doomed = False

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.pid = process.pid
        self._process = process
        self._handle: ProcessHandle | None = None
        loop = asyncio.get_running_loop()
        try:
            descriptor = os.pidfd_open(process.pid)
        except (AttributeError, OSError):  # another system, or Linux before 5.3
            self._exit_code: asyncio.Future[int] = loop.run_in_executor(None, process.wait)
        else:
            self._exit_code = loop.create_future()
            self._handle = ProcessHandle(descriptor, self._end)

    def kill(self) -> None:
        if self._handle is not None:
            self._handle.kill()
        else:
            self._process.kill()

    async def wait(self) -> int:
        return await asyncio.shield(self._exit_code)

    def _end(self) -> None:
        assert self._handle is not None
        self._exit_code.set_result(self._process.wait())
        self._handle.close()


class PlainLauncher:
    """The start that is possible everywhere; imports and loads take as long as they take."""

    start_method: StartMethod = "exec"
    obstacle: str | None = None

    async def prepare(self) -> None:
        """There is nothing to prepare."""

    async def start(self, control: socket.socket) -> PlainChild:
        return PlainChild(spawn("worker", control))


def spawn(command: str, control: socket.socket) -> subprocess.Popen[bytes]:
    """Start `python -m app COMMAND`, which inherits `control` and standard error, nothing else.

    Its environment is made from scratch, so that no key or address of ours is in it. No `preexec_fn`: it deadlocks
    with threads; the process puts itself into its sandbox.

    Raises:
        OSError: the process cannot be started.
    """
    assert threading.current_thread() is threading.main_thread(), "children are started from the main thread"
    environment = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "TMPDIR") if name in os.environ}
    environment |= CHILD_ENVIRONMENT | {"PYTHONPATH": str(Path(app.__file__).resolve().parents[1])}
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "app", command, str(control.fileno()), str(os.getpid())],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        pass_fds=(control.fileno(),),
        env=environment,
        process_group=0,  # Ctrl-C is not for it; in a session of its own its niceness would not count (record 0020)
    )
