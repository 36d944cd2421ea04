"""Readiness tells what keeps the service from storing; liveness, and what needs no disk, go on."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import httpx

from tests.e2e.server import STOP_SECONDS, RunningServer, eventually, run_server
from tests.samples import png

OFTEN = {"STORAGE__WATCH_SECONDS": "0.1"}


def reasons(server: RunningServer) -> list[str]:
    answer = httpx.get(f"{server.url}/health/ready")
    found: list[str] = answer.json()["reasons"]
    assert answer.status_code == (503 if found else 200)
    return found


def test_a_disk_without_room_above_its_floor_is_not_ready(tmp_path: Path) -> None:
    with run_server(tmp_path, {**OFTEN, "STORAGE__FREE_FLOOR": "900T"}) as server:
        assert eventually(lambda: reasons(server)) == [
            "the disk has no more room than its floor (BALLAST_STORAGE__FREE_FLOOR)"
        ]
        assert httpx.get(f"{server.url}/health/live").status_code == 200


def test_while_memory_is_critical_an_item_is_answered_as_its_reference(tmp_path: Path) -> None:
    with run_server(tmp_path) as server, server.client() as client:
        item = client.post("/v1/media", content=png(30, 20)).raise_for_status().json()
    shares = {"MODERATE": "0.001", "HIGH": "0.0015", "CRITICAL": "0.002", "HYSTERESIS": "0"}

    settings = {f"MEMORY__{name}_SHARE": share for name, share in shares.items()}
    with run_server(tmp_path, settings) as server, server.client() as client:
        reference = client.get(f"/v1/media/{item['id']}", params={"inline": "auto"})
        is_ready = client.get("/health/ready")
        is_ready_in_short = client.head("/health/ready")

    assert item["buffer"] is not None
    assert (reference.status_code, reference.json()["buffer"]) == (200, None)
    assert reference.headers["ballast-memory"].startswith("predicted=0, peak=0, mode=")
    assert is_ready.status_code == is_ready_in_short.status_code == 503
    assert int(is_ready.headers["retry-after"]) > 0


def test_a_quota_that_is_used_up_is_ready(tmp_path: Path) -> None:
    with run_server(tmp_path, {**OFTEN, "STORAGE__QUOTA": "0"}) as server:
        eventually(lambda: "ballast_disk_free_bytes NaN" not in httpx.get(f"{server.url}/metrics").text)

        assert reasons(server) == []


def test_a_disk_that_hangs_is_told_holds_nothing_up_and_is_forgiven(tmp_path: Path) -> None:
    """A pipe that nobody reads stands where the byte is written: to open it hangs as a frozen disk does."""
    with run_server(tmp_path, OFTEN) as server:
        path = server.root / "state" / "watch"
        eventually(path.exists)
        path.unlink()
        os.mkfifo(path)

        assert eventually(lambda: reasons(server)) == ["the disk does not answer"]
        assert httpx.get(f"{server.url}/health/live").status_code == 200
        assert httpx.get(f"{server.url}/v1/limits").status_code == 200

        with path.open("rb"):  # somebody reads: it goes on
            path.unlink()
            eventually(lambda: not reasons(server))


def test_a_disk_that_hangs_does_not_hold_up_the_end(tmp_path: Path) -> None:
    with run_server(tmp_path, OFTEN) as server:
        path = server.root / "state" / "watch"
        eventually(path.exists)
        path.unlink()
        os.mkfifo(path)
        eventually(lambda: reasons(server))

        server.process.send_signal(signal.SIGTERM)

        assert server.process.wait(STOP_SECONDS) == 0
        server.check_log()
