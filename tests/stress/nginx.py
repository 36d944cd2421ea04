"""A real nginx before two services, as deploy/nginx.conf sets it up."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.media_files import REPOSITORY
from tests.serving import free_port

PROGRAM = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")

needs_nginx = pytest.mark.skipif(PROGRAM is None, reason="nginx is not installed")

_AROUND = """
{user}daemon off; pid {folder}/pid; error_log {folder}/error.log warn; worker_processes 1;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f;
    uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
{documented}
}}
"""


def documented() -> str:
    """Return the part of a configuration that operators are given."""
    return (REPOSITORY / "deploy" / "nginx.conf").read_text()


def configuration(folder: Path, port: int, services: list[int]) -> str:
    """Return the documented configuration for these ports."""
    text = documented()
    servers = " ".join(f"server 127.0.0.1:{service} max_fails=0;" for service in services)
    text, count = re.subn(r"(?:server 10\.0\.0\.\d+:8000 max_fails=0; *)+.*", servers, text)
    assert count == 1
    text, count = re.subn(r"listen 443 ssl;.*", f"listen 127.0.0.1:{port};", text)
    assert count == 1
    user = "user root;\n" if os.geteuid() == 0 else ""  # otherwise its worker may not write to our folder
    return _AROUND.format(folder=folder, user=user, documented=text)


@contextmanager
def run_nginx(folder: Path, services: list[int]) -> Iterator[str]:
    """Give the address of an nginx before these ports, for the block."""
    assert PROGRAM is not None
    folder.mkdir()
    port = free_port()
    path = folder / "nginx.conf"
    path.write_text(configuration(folder, port, services))
    with (folder / "stderr").open("wb") as log:
        process = subprocess.Popen([PROGRAM, "-p", str(folder), "-c", str(path)], stderr=log)
    try:
        url = f"http://127.0.0.1:{port}"
        give_up_at = time.monotonic() + 20
        while not _answers(url):
            assert process.poll() is None, (folder / "stderr").read_text()
            assert time.monotonic() < give_up_at
            time.sleep(0.05)
        yield url
    finally:
        process.terminate()
        process.wait(20)


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health/live", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False
