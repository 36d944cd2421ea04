"""A disk that does not answer holds up what needs it, for a bounded time, and nothing else."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.e2e.power import PowerDisk, power_disk
from tests.e2e.server import RunningServer, eventually, problem_of, run_server
from tests.samples import png

HANG_SECONDS = 2
SETTINGS = {"STORAGE__HANG_SECONDS": str(HANG_SECONDS), "SERVER__DRAIN_SECONDS": "1"}
UPLOADS = 24
"""More than there are threads of any kind."""

IMAGE = {"Content-Type": "image/png"}


@contextmanager
def frozen(disk: PowerDisk) -> Iterator[None]:
    disk.freeze()
    try:
        yield
    finally:
        disk.thaw()


def upload(server: RunningServer) -> httpx.Response:
    with server.client() as client:
        return client.post("/v1/media?inline=never", content=png(), headers=IMAGE)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[PowerDisk]:
    with power_disk(tmp_path, 64 << 20) as disk:
        yield disk


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_hung_disk_is_told_in_bounded_time_and_holds_up_nothing_else(disk: PowerDisk) -> None:
    with (
        run_server(disk.folder.parent, SETTINGS) as server,
        ThreadPoolExecutor(UPLOADS) as threads,
        server.client() as client,
    ):
        item = upload(server).json()
        with frozen(disk):
            uploads = [threads.submit(upload, server) for _ in range(UPLOADS)]
            while not all(one.done() for one in uploads):
                assert client.get("/health/live").status_code == 200
                assert client.get(item["url"]).content == png()
                assert client.get("/v1/media").json()["items"][0]["id"] == item["id"]
            answers = [one.result() for one in uploads]
        for answer in answers:
            problem_of(answer, 503, "storage_unavailable")

        eventually(lambda: upload(server).status_code == 201)
        listed = client.get("/v1/media").json()["items"]
        assert len(listed) >= 2
        eventually(lambda: not any((server.root / "tmp").iterdir()))
        server.expect_in_log("the disk|stays behind|failed")


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_the_service_ends_in_order_though_its_disk_hangs(disk: PowerDisk) -> None:
    with run_server(disk.folder.parent, SETTINGS) as server, ThreadPoolExecutor(UPLOADS) as threads:
        with frozen(disk):
            uploads = [threads.submit(_upload_or_none, server) for _ in range(UPLOADS)]
            time.sleep(HANG_SECONDS / 2)
            server.process.send_signal(signal.SIGTERM)
            eventually(lambda: _has_ended(server), 15 * HANG_SECONDS)
            assert all(one.done() for one in uploads)
        assert server.process.wait(20) == 0
        server.expect_in_log("the disk|stays behind|failed|timeout graceful shutdown")
        server.check_log()


def _upload_or_none(server: RunningServer) -> httpx.Response | None:
    try:
        return upload(server)
    except httpx.TransportError:
        return None


def _has_ended(server: RunningServer) -> bool:
    """Whether nothing of it is left but threads that the kernel does not let go before the disk answers."""
    with socket.socket() as probe:
        is_open = probe.connect_ex(("127.0.0.1", server.port)) == 0
    state = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(") ")[2][0]
    return state == "Z" and not is_open
