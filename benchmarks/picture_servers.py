"""Servers of transformed pictures side by side: ours, IPX (sharp) and thumbor (Pillow), each with its cache off."""

from __future__ import annotations

import os
import shutil
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

_IPX, _THUMBOR = "3.1.1", "7.8.0"
_IPX_FOLDER = REPOSITORY / ".cache" / f"ipx-{_IPX}"
_THUMBOR_FOLDER = REPOSITORY / ".cache" / f"thumbor-{_THUMBOR}"
_START_SECONDS, _STOP_SECONDS = 60.0, 10.0

QUALITY = 80


class PeerFault(Exception):
    """A peer did not start."""


@dataclass(frozen=True, slots=True)
class Size:
    """How a picture is wanted: `width` pixels wide, in a `format` (jpeg, webp, avif)."""

    width: int
    format: str


@dataclass(frozen=True, slots=True)
class PictureServer:
    """One that runs. `path_of` gives the address of a file (by its name) as it is wanted."""

    name: str
    pid: int
    port: int
    path_of: Callable[[str, Size], str]

    def cpu_seconds(self) -> float:
        """Return the time that it and its children have run, those that have ended too, in steps of 10 ms."""
        total = 0.0
        for process in find_tree(self.pid):
            with suppress(psutil.NoSuchProcess):
                total += sum(process.cpu_times()[:4])  # its own, and that of children it has waited for
        return total


Starter = Callable[[], AbstractContextManager[PictureServer]]


def starters(folder: Path, *, install: bool) -> list[Starter]:
    """Return how ours and the peers that can be started here are started on the files of a folder.

    Peers are installed only where `install`.
    """
    found: list[Starter] = [partial(_ballast, folder)]
    if install_ipx(install=install):
        found.append(partial(_ipx, folder))
    if _is_there("thumbor", _THUMBOR_FOLDER / "bin" / "thumbor", _thumbor_steps(), install=install):
        found.append(partial(_thumbor, folder))
    return found


def install_ipx(*, install: bool) -> bool:
    """Whether IPX is installed, or was now where `install`; with it comes sharp."""
    return _is_there("IPX", ipx_module("ipx"), _ipx_steps(), install=install)


def ipx_module(name: str) -> Path:
    """Return the folder of a module that IPX has, or is itself."""
    return _IPX_FOLDER / "node_modules" / name


@contextmanager
def _ballast(folder: Path) -> Iterator[PictureServer]:
    settings = {"BALLAST_MEMORY__CACHE": "0", "BALLAST_STORAGE__CACHE": "0"}
    with run_service(settings) as service:
        ids = {}
        with Client("127.0.0.1", service.port) as client:
            for file in sorted(folder.iterdir()):
                stored = client.post("/v1/media?inline=never", file.read_bytes()).json()
                ids[file.name] = stored["id"]

        def path_of(name: str, size: Size) -> str:
            return f"/v1/media/{ids[name]}/image?width={size.width}&format={size.format}&quality={QUALITY}"

        yield PictureServer("ballast", service.pid, service.port, path_of)


@contextmanager
def _ipx(folder: Path) -> Iterator[PictureServer]:
    port = _free_port()
    program = ipx_module("ipx") / "bin" / "ipx.mjs"
    command = ["node", str(program), "serve", "--dir", str(folder), "--port", str(port), "--host", "127.0.0.1"]
    with _running(command, port) as pid:
        yield PictureServer(
            f"IPX {_IPX}",
            pid,
            port,
            lambda name, size: f"/w_{size.width},f_{size.format},q_{QUALITY}/{name}",
        )


@contextmanager
def _thumbor(folder: Path) -> Iterator[PictureServer]:
    port = _free_port()
    configuration = folder.parent / "thumbor.conf"
    configuration.write_text(
        "LOADER = 'thumbor.loaders.file_loader'\n"
        f"FILE_LOADER_ROOT_PATH = {str(folder)!r}\n"
        "STORAGE = 'thumbor.storages.no_storage'\n"
        "ALLOW_UNSAFE_URL = True\n"
        f"QUALITY = {QUALITY}\nAVIF_QUALITY = {QUALITY}\nWEBP_QUALITY = {QUALITY}\n"
    )
    python = str(_THUMBOR_FOLDER / "bin" / "python")
    command = [python, "-m", "thumbor.server", "-p", str(port), "-i", "127.0.0.1", "-c", str(configuration)]
    with _running(command, port) as pid:
        yield PictureServer(
            f"thumbor {_THUMBOR}",
            pid,
            port,
            lambda name, size: f"/unsafe/{size.width}x0/filters:format({size.format}):quality({QUALITY})/{name}",
        )


@contextmanager
def _running(command: list[str], port: int) -> Iterator[int]:
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        _await_open(process, port)
        yield process.pid
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(_STOP_SECONDS)


def _await_open(process: subprocess.Popen[bytes], port: int) -> None:
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until:
        if process.poll() is not None:
            raise PeerFault(f"a peer ended with {process.returncode}: {process.args!r}")
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0):
            return
        time.sleep(0.1)
    raise PeerFault(f"a peer did not start: {process.args!r}")


def _is_there(name: str, program: Path, steps: list[list[str]], *, install: bool) -> bool:
    """Whether a peer is installed, or was now."""
    if program.exists():
        return True
    if not install:
        print(f"{name} is not installed, and a short run does not: it is left out", file=sys.stderr)
        return False
    if shutil.which(steps[-1][0]) is None and not Path(steps[-1][0]).is_absolute():
        print(f"there is no {steps[-1][0]}: {name} is left out", file=sys.stderr)
        return False
    if any(subprocess.run(step, check=False, capture_output=True).returncode != 0 for step in steps):
        print(f"{name} cannot be installed: it is left out", file=sys.stderr)
        return False
    return program.exists()


def _ipx_steps() -> list[list[str]]:
    return [
        ["mkdir", "-p", str(_IPX_FOLDER)],
        ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(_IPX_FOLDER), f"ipx@{_IPX}"],
    ]


def _thumbor_steps() -> list[list[str]]:
    return [
        [sys.executable, "-m", "venv", "--clear", str(_THUMBOR_FOLDER)],
        [str(_THUMBOR_FOLDER / "bin" / "python"), "-m", "pip", "install", "--quiet", f"thumbor=={_THUMBOR}"],
    ]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
