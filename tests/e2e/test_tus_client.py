"""The tus client that browsers and Electron use, against the real service, over connections that break."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import threading
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.absent import cannot_run
from tests.e2e.proxy import cutting_proxy
from tests.e2e.server import RunningServer, run_server
from tests.media_files import REPOSITORY
from tests.samples import mp4

SCRIPT = Path(__file__).with_name("tus_upload.mjs")
MODULES = REPOSITORY / ".cache" / "tus-js-client"
PACKAGE = "tus-js-client@4.3.1"
MIB = 1024 * 1024

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def modules() -> Path:
    """Install the client once, into a cache folder."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        _cannot_run("there is no node")
    if not (MODULES / "node_modules" / "tus-js-client").is_dir():
        MODULES.mkdir(parents=True, exist_ok=True)
        command = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(MODULES), PACKAGE]
        outcome = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        if outcome.returncode != 0:
            _cannot_run(f"npm cannot install {PACKAGE}: {outcome.stderr[-500:]}")
    return MODULES


def _cannot_run(reason: str) -> None:
    cannot_run(reason)


def upload(modules: Path, port: int, path: Path, parts: int = 1) -> subprocess.Popen[str]:
    endpoint = f"http://127.0.0.1:{port}/v1/uploads"
    command = ["node", str(SCRIPT), str(modules), endpoint, str(path), str(parts)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def item_of(server: RunningServer, client: subprocess.Popen[str]) -> dict[str, str]:
    output, errors = client.communicate(timeout=180)
    assert client.returncode == 0, errors
    item: dict[str, str] = httpx.get(f"{server.url}/v1/media/{output.strip()}").raise_for_status().json()
    return item


def test_200_megabytes_arrive_over_five_cuts_and_a_kill(tmp_path: Path, modules: Path) -> None:
    path = tmp_path / "video.mp4"
    data = mp4(200 * MIB)
    path.write_bytes(data)
    killed = threading.Event()

    with ExitStack() as stack:
        server = stack.enter_context(run_server(tmp_path))
        proxy = stack.enter_context(cutting_proxy(server.port))

        def kill() -> None:
            server.process.kill()
            server.process.wait()
            killed.set()

        cuts = [(mib * MIB, lambda: None) for mib in (20, 50, 120, 150, 180)]
        proxy.marks = sorted([*cuts, (90 * MIB, kill)], key=lambda mark: mark[0])
        client = upload(modules, proxy.port, path)
        stack.callback(client.kill)
        assert killed.wait(60)
        server = stack.enter_context(run_server(tmp_path))
        proxy.target_port = server.port
        item = item_of(server, client)
        stored = server.root / item["path"]

        assert proxy.cuts == 6
        assert item["sha256"] == hashlib.sha256(data).hexdigest()
        assert item["name"] == "a long video.mp4"
        assert hashlib.sha256(stored.read_bytes()).hexdigest() == item["sha256"]
        assert [one["id"] for one in httpx.get(f"{server.url}/v1/media").json()["items"]] == [item["id"]]


def test_parts_that_come_at_the_same_time_are_joined(tmp_path: Path, modules: Path) -> None:
    path = tmp_path / "video.mp4"
    data = mp4(10 * MIB)
    path.write_bytes(data)

    with run_server(tmp_path) as server:
        item = item_of(server, upload(modules, server.port, path, parts=3))

    assert item["sha256"] == hashlib.sha256(data).hexdigest()
