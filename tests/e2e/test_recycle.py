"""The end of a run and the start of the next: recycled, killed, or stopped in order."""

from __future__ import annotations

import json
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.e2e.pictures import thumb
from tests.e2e.server import STOP_SECONDS, RunningServer, descendants, eventually, run_server

SERVICE_RESTART = 1012
RECYCLED = 75
TOO_LARGE = {"MEMORY__LIMIT": "500M", "MEMORY__RECYCLE_SHARE": "0.01", "MEMORY__SAMPLE_SECONDS": "0.3"}
"""The API is above its share from the start, and is recycled after five samples: 1.5 s."""


@contextmanager
def open_stream(server: RunningServer) -> Iterator[ClientConnection]:
    with connect(f"{server.websocket_url}/v1/vision/hands/stream", close_timeout=1) as connection:
        assert json.loads(connection.recv(timeout=10))["type"] == "ready"
        yield connection


def close_code(connection: ClientConnection) -> int:
    """Read until the service closes, and return its code."""
    with pytest.raises(ConnectionClosed) as caught:
        while True:
            connection.recv(timeout=STOP_SECONDS)
    assert caught.value.rcvd is not None, "the connection was cut"
    return caught.value.rcvd.code


def read_to_the_end(connection: socket.socket) -> bytes:
    data = b""
    while piece := connection.recv(65536):
        data += piece
    return data


class TestRecycled:
    def test_streams_and_listeners_are_told_and_the_exit_code_says_start_me_again(self, tmp_path: Path) -> None:
        with run_server(tmp_path, TOO_LARGE) as server:
            assert httpx.get(f"{server.url}/health/ready").status_code == 200
            with open_stream(server) as stream, server.connect() as listener:
                listener.sendall(b"GET /v1/memory/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
                code = close_code(stream)
                events = read_to_the_end(listener)

            exit_code = server.process.wait(STOP_SECONDS)

            server.check_log()
            assert "the API has outgrown its share and is recycled" in server.log_text()
            assert list((server.root / "tmp").iterdir()) == []
        assert (code, exit_code) == (SERVICE_RESTART, RECYCLED)
        assert b"event: level" in events
        assert events.endswith(b"\r\n0\r\n\r\n"), "the events were cut instead of ended"

    @pytest.mark.model("hand_landmarker.task")
    @pytest.mark.photo
    def test_what_was_begun_is_answered_and_nothing_is_left_running(self, tmp_path: Path) -> None:
        with run_server(tmp_path, {**TOO_LARGE, "VISION__WORKERS": "1"}) as server:
            with open_stream(server) as stream:
                answer = httpx.post(f"{server.url}/v1/vision/hands", content=thumb(), timeout=30)
                stream.send(thumb())
                assert json.loads(stream.recv(timeout=10))["type"] == "result"
                family = descendants(server.process.pid)
                assert close_code(stream) == SERVICE_RESTART

            assert server.process.wait(STOP_SECONDS) == RECYCLED

            server.check_log()
        assert answer.status_code == 200
        assert len(family) == 1
        assert [pid for pid in family if Path(f"/proc/{pid}").exists()] == []

    def test_from_then_on_it_is_not_ready(self, tmp_path: Path) -> None:
        """No probe is answered with 200 after the streams were closed: with 503, or not at all."""
        with run_server(tmp_path, TOO_LARGE) as server:
            with open_stream(server) as stream, server.connect() as kept:
                assert close_code(stream) == SERVICE_RESTART
                kept.settimeout(5)
                after = _ask_ready(kept)
            assert server.process.wait(STOP_SECONDS) == RECYCLED

        assert after in (503, None)

    def test_the_next_run_does_not_take_it_for_a_crash(self, tmp_path: Path) -> None:
        with run_server(tmp_path, TOO_LARGE) as server:
            assert server.process.wait(STOP_SECONDS) == RECYCLED

        with run_server(tmp_path) as server:
            assert server.memory()["lastOom"] is None

    def test_a_share_that_is_never_reached_changes_nothing(self, tmp_path: Path) -> None:
        with run_server(
            tmp_path, {**TOO_LARGE, "MEMORY__RECYCLE_SHARE": "1", "MEMORY__SAMPLE_SECONDS": "0.02"}
        ) as server:
            first = server.memory()["sampledAt"]
            eventually(lambda: server.memory()["sampledAt"] != first)
            for _ in range(30):
                assert httpx.get(f"{server.url}/health/ready").status_code == 200


def _ask_ready(connection: socket.socket) -> int | None:
    """Ask over a connection that was there before; None where it is not answered any more."""
    try:
        connection.sendall(b"GET /health/ready HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        answer = connection.recv(65536)
    except OSError:
        return None
    return int(answer.split(b" ")[1]) if answer else None


def test_a_stop_in_order_closes_streams_with_the_same_code(tmp_path: Path) -> None:
    with run_server(tmp_path) as server, open_stream(server) as stream:
        server.process.send_signal(signal.SIGTERM)

        assert close_code(stream) == SERVICE_RESTART
        assert server.process.wait(STOP_SECONDS) == 0
        server.check_log()


def test_events_of_the_memory_end_when_the_service_does(tmp_path: Path) -> None:
    with run_server(tmp_path) as server, server.connect() as listener:
        listener.sendall(b"GET /v1/memory/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        first = listener.recv(65536)
        server.process.send_signal(signal.SIGTERM)

        rest = read_to_the_end(listener)

        assert first.startswith(b"HTTP/1.1 200")
        assert (first + rest).endswith(b"\r\n0\r\n\r\n")
        assert server.process.wait(STOP_SECONDS) == 0


def _last_snapshot(server: RunningServer) -> dict[str, Any]:
    path = server.root / "state" / "memory.json"
    eventually(path.exists)
    document: dict[str, Any] = json.loads(path.read_text())
    return document


def test_a_run_that_was_killed_is_told_once_with_what_it_was_doing(tmp_path: Path) -> None:
    settings = {"MEMORY__SAMPLE_SECONDS": "0.1", "MEMORY__LIMIT": "500M"}
    with run_server(tmp_path, settings) as server:
        snapshot = _last_snapshot(server)
        server.process.kill()
        server.process.wait()

    with run_server(tmp_path) as server:
        last = server.memory()["lastOom"]
        again = server.memory()["lastOom"]
    with run_server(tmp_path) as server:
        after_a_stop_in_order = server.memory()["lastOom"]

    assert snapshot["clean"] is False
    assert last["evidence"] == "inferred"
    assert last["limitBytes"] == 500 << 20
    assert last["workingSetBytes"] > 10 << 20
    assert [holder["owner"] for holder in last["holders"]] == ["api"]
    assert last == again
    assert after_a_stop_in_order is None


def test_a_broken_snapshot_does_not_keep_it_from_starting(tmp_path: Path) -> None:
    (tmp_path / "var" / "state").mkdir(parents=True)
    (tmp_path / "var" / "state" / "memory.json").write_bytes(b'{"clean": false, "snap')

    with run_server(tmp_path) as server:
        assert server.memory()["lastOom"] is None
        assert "cannot be read" in server.log_text()
