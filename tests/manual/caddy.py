"""A real Caddy before services, as deploy/Caddyfile sets it up, where there is one."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.e2e.server import eventually
from tests.media_files import REPOSITORY
from tests.serving import free_port

PROGRAM = shutil.which("caddy")

needs_caddy = pytest.mark.skipif(PROGRAM is None, reason="caddy is not installed")


def configuration(port: int, services: list[int]) -> str:
    """Return what operators are given, for these ports, without the certificate and the way to administer it."""
    text = (REPOSITORY / "deploy" / "Caddyfile").read_text()
    text, sites = re.subn(r"media\.example\.org", f"http://127.0.0.1:{port}", text)
    text, upstreams = re.subn(r"(10\.0\.0\.\d+:8000 ?)+", " ".join(f"127.0.0.1:{one}" for one in services) + " ", text)
    assert (sites, upstreams) == (1, 1)
    return f"{{\n\tadmin off\n\tauto_https off\n}}\n{text}"


@contextmanager
def run_caddy(folder: Path, services: list[int]) -> Iterator[str]:
    """Give the address of a Caddy before these ports, for the block."""
    assert PROGRAM is not None
    folder.mkdir()
    port = free_port()
    (folder / "Caddyfile").write_text(configuration(port, services))
    command = [PROGRAM, "run", "--adapter", "caddyfile", "--config", "Caddyfile"]
    with (folder / "log").open("wb") as log:
        environment = {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
        process = subprocess.Popen(command, cwd=folder, env=environment, stderr=log)
    try:
        eventually(lambda: _answers(f"http://127.0.0.1:{port}", process, folder), 20)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


def _answers(url: str, process: subprocess.Popen[bytes], folder: Path) -> bool:
    assert process.poll() is None, (folder / "log").read_text()
    try:
        return httpx.get(f"{url}/health/live", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False
