"""The real service as a child process: a free port, a storage root of its own, and nothing left of it after."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from benchmarks.client import Client
from benchmarks.tree import TreeMemory, find_tree, is_alive, measure_tree
from soak.cgroup import MemoryGroup

REPOSITORY = Path(__file__).resolve().parents[1]
SCRATCH = REPOSITORY / "var"
"""On the disk of the project, where /tmp may be memory; no part of the repository."""

_LAUNCHER = {"MALLOC_ARENA_MAX": "2", "MALLOC_TRIM_THRESHOLD_": "131072"}
"""What `scripts/ballast` sets before Python starts."""

_START_SECONDS = 20.0
_STOP_SECONDS = 15.0


class ServiceFault(Exception):
    """The service did not start, or left something behind."""


class Service:
    """A running service. `ready_seconds` is from the start of its process to the first 200 of /health/ready."""

    def __init__(self, process: subprocess.Popen[str], log: _Log, port: int, ready_seconds: float) -> None:
        self.pid = process.pid
        self.port = port
        self.ready_seconds = ready_seconds
        self._process = process
        self._log = log

    def connect(self) -> Client:
        """Return a client with a connection of its own."""
        return Client("127.0.0.1", self.port)

    def memory(self) -> TreeMemory:
        """Measure the service and its children now."""
        return measure_tree(self.pid)

    def highest_memory(self, seconds: float) -> TreeMemory:
        """Measure for some time and return the sample with the largest RSS."""
        until = time.monotonic() + seconds
        highest = self.memory()
        while time.monotonic() < until:
            time.sleep(0.05)
            highest = max(highest, self.memory(), key=lambda memory: memory.rss_bytes)
        return highest

    def wait_for_children(self, count: int, seconds: float) -> None:
        """Wait until the service has this many descendants.

        Raises:
            ServiceFault: not within `seconds`.
        """
        until = time.monotonic() + seconds
        while (found := len(find_tree(self.pid)) - 1) != count:
            if time.monotonic() > until:
                raise ServiceFault(f"{found} children after {seconds:.0f} s, not {count}\n{self._log.tail()}")
            time.sleep(0.02)

    def stop(self) -> None:
        """Let the service end in order, with SIGINT: at SIGTERM it would answer for five more seconds.

        Raises:
            ServiceFault: it had ended before, ended badly, or left a process behind.
        """
        if (code := self._process.poll()) is not None:
            raise ServiceFault(f"the service had ended by itself with {code}\n{self._log.tail()}")
        tree = find_tree(self.pid)
        self._process.send_signal(signal.SIGINT)
        try:
            code = self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            raise ServiceFault(f"not ended {_STOP_SECONDS:.0f} s after SIGINT\n{self._log.tail()}") from None
        if code not in (0, -15):
            raise ServiceFault(f"exit code {code} after SIGINT\n{self._log.tail()}")
        if left := [process.pid for process in tree if is_alive(process)]:
            raise ServiceFault(f"left behind: processes {left}\n{self._log.tail()}")


def add_against(parser: ArgumentParser) -> None:
    """Add the option that has another checkout measured in the same rounds."""
    parser.add_argument(
        "--against", type=_checkout, metavar="CHECKOUT", help="measure the service of another checkout beside this one"
    )


def _checkout(text: str) -> Path:
    folder = Path(text).resolve()
    if not (folder / "app" / "__main__.py").is_file():
        raise ArgumentTypeError(f"{text} holds no Ballast")
    return folder


@contextmanager
def run_service(
    settings: Mapping[str, str] | None = None, tree: Path = REPOSITORY, group: MemoryGroup | None = None
) -> Iterator[Service]:
    """Start the service, lend it, stop it, and check that no process and no temporary file is left.

    `settings` are `BALLAST_*` variables; of those of this process only the folder of the models is handed on, so that a
    measurement does not depend on them. `tree` is the work tree whose service is run, with the Python of its own
    environment where it has one; `group` is the control group that it joins.

    Raises:
        ServiceFault: see there.
    """
    SCRATCH.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=SCRATCH) as folder:
        root = Path(folder) / "var"
        command = [_python_of(tree), "-m", "app", "serve"]
        began = time.perf_counter()
        process = subprocess.Popen(
            command if group is None else group.joining(command),
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tree,
            env=_environment(root, settings or {}),
        )
        try:
            service = _await_ready(process, began)
            yield service
            service.stop()
        finally:
            process.kill()
            process.wait()
        if left := [path.name for path in root.glob("tmp/**/*") if path.is_file()]:
            raise ServiceFault(f"left behind: temporary files {left}")


class _Log:
    """Reads what the service logs, so that its pipe never fills, and keeps it."""

    def __init__(self, stream: IO[str]) -> None:
        self._lines: list[str] = []
        self._ports: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        threading.Thread(target=self._read, args=(stream,), daemon=True).start()

    def port(self) -> int | None:
        """Wait for the port it listens on; None if it ended before."""
        try:
            return self._ports.get(timeout=_START_SECONDS)
        except queue.Empty:
            return None

    def tail(self) -> str:
        return "\n".join(self._lines[-15:])

    def _read(self, stream: IO[str]) -> None:
        with stream:
            for line in stream:
                self._lines.append(line.rstrip())
                if '"message": "listening on' in line:
                    self._ports.put(int(json.loads(line)["port"]))
        self._ports.put(None)


def _python_of(tree: Path) -> str:
    own = tree / ".venv" / "bin" / "python"
    return str(own) if tree != REPOSITORY and own.exists() else sys.executable


def _environment(root: Path, settings: Mapping[str, str]) -> dict[str, str]:
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("BALLAST_") or name == "BALLAST_MODELS__DIR"
    }
    own = {"BALLAST_SERVER__PORT": "0", "BALLAST_STORAGE__ROOT": str(root)}
    return _LAUNCHER | inherited | own | dict(settings)


def _await_ready(process: subprocess.Popen[str], began: float) -> Service:
    assert process.stderr is not None
    log = _Log(process.stderr)
    port = log.port()
    if port is None:
        raise ServiceFault(f"the service did not start\n{log.tail()}")
    with Client("127.0.0.1", port) as client:
        answer = client.get("/health/ready")
    if answer.status != 200:
        raise ServiceFault(f"not ready: {answer.body!r}")
    return Service(process, log, port, time.perf_counter() - began)
