"""When the power is cut at any moment, no item that was answered is lost, and none is shown that is not whole."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from tests.e2e.power import PowerDisk, power_disk
from tests.e2e.server import RunningServer, run_server
from tests.e2e.test_kills import PIECE, SETTINGS, Clients, Memory, check, picture

DISK_BYTES = 2 << 30
"""The image has holes: it takes what is written."""


class PoweredClients(Clients):
    """Those that the service refuses go, once the power is cut: it can write nothing any more."""

    is_cut = False

    def _run(self, work: object) -> None:
        try:
            super()._run(work)
        except (AssertionError, KeyError):
            if not self.is_cut:
                raise


def run(place: Path, cuts: int) -> int:
    """Cut the power so often under uploads, tus and deletions; return how many answered items there are at the end."""
    memory = Memory()
    with power_disk(place, DISK_BYTES) as disk:
        for _ in range(cuts):
            with run_server(place, SETTINGS) as server:
                check(server, memory)
                clients = PoweredClients(server, memory)
                time.sleep(random.uniform(0.05, 1.2))
                clients.is_cut = True
                _cut(disk, server)
                clients.join()
            disk.restore()
        with run_server(place, SETTINGS) as server:
            check(server, memory)
            server.expect_in_log("lastOom|unfinished")
    assert memory.answers > 0
    return len(memory.kept.keys() - memory.leaving)


def _cut(disk: PowerDisk, server: RunningServer) -> None:
    """Take the power from the disk first: what the service says after that it says of bytes that are gone."""
    disk.cut()
    server.process.kill()
    server.process.wait()


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_three_power_cuts(tmp_path: Path) -> None:
    run(tmp_path, 3)


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_an_upload_that_was_whole_when_the_service_was_killed_outlives_a_power_cut(tmp_path: Path) -> None:
    data = picture(3_000_000)
    with power_disk(tmp_path, DISK_BYTES) as disk:
        with run_server(tmp_path) as server:
            with server.client() as client:
                begun = client.post("/v1/uploads", headers={"Tus-Resumable": "1.0.0", "Upload-Length": str(len(data))})
                upload = begun.headers["location"]
                client.patch(upload, headers={**PIECE, "Upload-Offset": "0"}, content=data[:1_000_000])
            server.process.kill()
            server.process.wait()
        staged = server.root / "staging" / (upload.rpartition("/")[2] + ".part")
        with staged.open("ab") as file:  # as the run does that is killed before it syncs
            file.write(data[1_000_000:])
        with run_server(tmp_path) as server, server.client() as client:
            answer = client.head(upload, headers={"Tus-Resumable": "1.0.0"})
            media_id = answer.headers["ballast-media-id"]
            _cut(disk, server)
        disk.restore()

        with run_server(tmp_path) as server, server.client() as client:
            assert client.get(f"/v1/media/{media_id}/content").content == data
            server.expect_in_log("lastOom|unfinished")
