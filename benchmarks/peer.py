"""The servers of others that Ballast is measured beside, as child processes on free ports."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.server import REPOSITORY

PEERS = Path(__file__).parent / "peers"

_START_SECONDS = 20.0
_STOP_SECONDS = 20.0
_NGINX = """
daemon off;
worker_processes 1;
error_log stderr error;
pid {folder}/pid;
events {{ worker_connections 64; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        root {folder}/files;
    }}
}}
"""
"""What Debian's package sets, with paths and a port of our own."""


class PeerFault(Exception):
    """The server did not start."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A running server: `pid` is the process that does the work."""

    pid: int
    port: int


@contextmanager
def run_script(command: Sequence[str], folder: Path) -> Iterator[Peer]:
    """Run one of `peers/`: the command, then the port and the folder in which it may write.

    Raises:
        PeerFault: see there.
    """
    folder.mkdir()
    port = _free_port()
    environment = {**os.environ, "TMPDIR": str(folder)}  # the spool of UploadFile belongs on the same disk
    with _process([*command, str(port), str(folder)], port, environment) as pid:
        yield Peer(pid, port)


@contextmanager
def run_nginx(folder: Path) -> Iterator[Peer]:
    """Run nginx over `folder/files`, with the settings of Debian's package.

    Raises:
        PeerFault: see there; also where nginx is not installed.
    """
    program = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        raise PeerFault("nginx is not installed")
    port = _free_port()
    (folder / "files").mkdir(parents=True)
    configuration = folder / "nginx.conf"
    own = "user root;\n" if os.geteuid() == 0 else ""  # otherwise its worker may not read our folder
    configuration.write_text(own + _NGINX.format(folder=folder, port=port))
    with _process([program, "-p", str(folder), "-c", str(configuration)], port, dict(os.environ)) as pid:
        yield Peer(psutil.Process(pid).children()[0].pid, port)


def multer_modules() -> Path | None:
    """Install express and multer into a cache folder and return it; None where there is no npm, or no network."""
    if shutil.which("npm") is None:
        print("there is no npm: express + multer is left out", file=sys.stderr)
        return None
    folder = REPOSITORY / ".cache" / "multer"
    if not (folder / "node_modules" / "multer").is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        install = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(folder), "express@5", "multer@2"]
        if subprocess.run(install, check=False, capture_output=True).returncode != 0:
            print("npm cannot install express and multer: they are left out", file=sys.stderr)
            return None
    return folder


@contextmanager
def _process(command: list[str], port: int, environment: dict[str, str]) -> Iterator[int]:
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, env=environment)
    try:
        _wait_until_open(port, process)
        yield process.pid
    finally:
        process.terminate()
        process.wait(_STOP_SECONDS)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_open(port: int, process: subprocess.Popen[bytes]) -> None:
    give_up_at = time.monotonic() + _START_SECONDS
    while time.monotonic() < give_up_at:
        if process.poll() is not None:
            raise PeerFault(f"{process.args!r} ended with {process.returncode}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise PeerFault(f"nothing listens on port {port}")
