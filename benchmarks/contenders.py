"""Servers of the hands task side by side: ours and the two that a user would write or install instead."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psutil

from benchmarks.client import Client
from benchmarks.server import REPOSITORY, run_service
from benchmarks.tree import find_tree
from soak.cgroup import MemoryGroup

_LITSERVE = "0.2.19"
_LITSERVE_FOLDER = REPOSITORY / ".cache" / f"litserve-{_LITSERVE}"
_LITSERVE_NEEDS = [
    f"litserve=={_LITSERVE}",
    "python-multipart",
    "pillow>=13",
    "numpy>=2.4,<2.5",
    "certifi",
    "flatbuffers",
]
_MEDIAPIPE = "mediapipe==1.2.2"

_START_SECONDS = 60.0
_STOP_SECONDS = 10.0


class PeerFault(Exception):
    """A peer did not start."""


@dataclass(frozen=True, slots=True)
class Contender:
    """One that can be started: its name, how, where it takes pictures, and whether as a form."""

    name: str
    start: Callable[[], AbstractContextManager[tuple[int, int]]]
    path: str
    probe: str
    form: bool = False


@dataclass(frozen=True, slots=True)
class Running:
    """One that runs. While others are measured it is stopped (SIGSTOP): LitServe polls its queues when it is idle."""

    contender: Contender
    pid: int
    port: int

    def request(self, client: Client, picture: bytes) -> bytes:
        """Return the bytes of a request to look at `picture`."""
        if not self.contender.form:
            return client.prepare("POST", self.contender.path, picture)
        return client.prepare("POST", self.contender.path, _form(picture), "multipart/form-data; boundary=frontier")

    @contextmanager
    def awake(self) -> Iterator[None]:
        """Let it run for the block."""
        self.signal(signal.SIGCONT)
        try:
            yield
        finally:
            self.signal(signal.SIGSTOP)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to it and its children, each by its id."""
        for process in find_tree(self.pid):
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)


@contextmanager
def run(contender: Contender) -> Iterator[Running]:
    """Start one and lend it, awake; end it after the block."""
    with contender.start() as (pid, port):
        running = Running(contender, pid, port)
        try:
            yield running
        finally:
            running.signal(signal.SIGCONT)


def contenders(bundle: Path, cores: int, *, install: bool, against: Path | None) -> list[Contender]:
    """Return ours, that of another checkout if there is one, then the peers that can be started here.

    LitServe is installed only where `install`.
    """
    found = [
        Contender(name, partial(_ballast, tree), "/v1/vision/hands?cache=false", "/health/live")
        for name, tree in (("ballast", REPOSITORY), ("the other checkout", against))
        if tree is not None
    ]
    found += [
        Contender("FastAPI, inline", partial(run_peer, "vision_naive", bundle), "/hands", "/health"),
    ]
    if (python := _litserve_python(install=install)) is not None:
        found.append(
            Contender(
                f"LitServe {_LITSERVE}",
                partial(run_peer, "vision_litserve", bundle, cores, python=python),
                "/hands",
                "/health",
                True,
            )
        )
    return found


@contextmanager
def _ballast(tree: Path) -> Iterator[tuple[int, int]]:
    with run_service(tree=tree) as service:
        yield service.pid, service.port


@contextmanager
def run_peer(
    module: str, *arguments: object, python: str = sys.executable, group: MemoryGroup | None = None
) -> Iterator[tuple[int, int]]:
    """Start a peer and lend its process id and port; end it after the block.

    It has a session of its own, and all that is in it is ended: LitServe leaves its children behind. `group` is the
    control group that it joins.

    Raises:
        PeerFault: it did not start.
    """
    port = _free_port()
    command = [python, "-m", f"benchmarks.peers.{module}", str(port), *map(str, arguments)]
    process = subprocess.Popen(
        command if group is None else group.joining(command),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,  # MediaPipe's greetings
        cwd=REPOSITORY,
        start_new_session=True,
    )
    try:
        _await_healthy(process, port)
        yield process.pid, port
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(_STOP_SECONDS)


def _litserve_python(*, install: bool) -> str | None:
    """Return the Python of LitServe's own environment, made where it is wanted; None where there is none."""
    python = str(_LITSERVE_FOLDER / "bin" / "python")
    done = _LITSERVE_FOLDER / ".installed"
    if not done.is_file():
        if not install:
            print("LitServe is not installed, and a short run does not: it is left out", file=sys.stderr)
            return None
        steps = [
            [sys.executable, "-m", "venv", "--clear", str(_LITSERVE_FOLDER)],
            [python, "-m", "pip", "install", "--quiet", *_LITSERVE_NEEDS],
            [python, "-m", "pip", "install", "--quiet", "--no-deps", _MEDIAPIPE],
        ]
        if any(subprocess.run(step, check=False, capture_output=True).returncode != 0 for step in steps):
            print("pip cannot install LitServe: it is left out", file=sys.stderr)
            return None
        done.touch()
    return python


def _await_healthy(process: subprocess.Popen[bytes], port: int) -> None:
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until:
        if process.poll() is not None:
            raise PeerFault(f"a peer ended with {process.returncode}: {process.args!r}")
        with suppress(OSError), Client("127.0.0.1", port) as client:
            if client.get("/health").status == 200:
                return
        time.sleep(0.1)
    raise PeerFault(f"a peer did not start: {process.args!r}")


def _form(picture: bytes) -> bytes:
    head = (
        b'--frontier\r\nContent-Disposition: form-data; name="file"; filename="p.jpg"\r\n'
        b"Content-Type: image/jpeg\r\n\r\n"
    )
    return head + picture + b"\r\n--frontier--\r\n"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
