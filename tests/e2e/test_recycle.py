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
TOO_LARGE = {"MEMORY__LIMIT": "500M", "MEMORY__RECYCLE_SHARE": "0.01", "MEMORY__SAMPLE_SECONDS": "1"}
"""The API is above its share from the start, and is recycled after five samples: 5 s."""


@contextmanager
def open_stream(server: RunningServer) -> Iterator[ClientConnection]:
    with connect(f"{server.websocket_url}/v1/vision/hands/stream", close_timeout=1) as connection:
        assert json.loads(connection.recv(timeout=10))["type"] == "ready"
        yield connection


def close_code(connection: ClientConnection) -> int | None:
    """Read until the service closes, and return its code; None where the connection is cut instead."""
    while True:
        try:
            connection.recv(timeout=STOP_SECONDS)
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd is not None else None


def read_to_the_end(connection: socket.socket) -> bytes:
    data = b""
    while piece := connection.recv(65536):
        data += piece
    return data


def test_an_api_that_is_too_large_ends_in_order_and_asks_to_be_started_again(tmp_path: Path) -> None:
    with run_server(tmp_path, TOO_LARGE) as server:
        before = httpx.get(f"{server.url}/health/ready").status_code
        with open_stream(server) as stream, server.connect() as listener, server.connect() as kept:
            listener.sendall(b"GET /v1/memory/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            code = close_code(stream)
            after = _ask_ready(kept)
            events = read_to_the_end(listener)
        exit_code = server.process.wait(STOP_SECONDS)
        server.check_log()

        assert "the API has outgrown its share and is recycled" in server.log_text()
        assert list((server.root / "tmp").iterdir()) == []
    with run_server(tmp_path) as server:
        last_oom = server.memory()["lastOom"]

    assert (before, code, exit_code) == (200, SERVICE_RESTART, RECYCLED)
    assert after in (503, None)  # it says that it is not ready, or does not answer any more
    assert b"event: level" in events
    assert events.endswith(b"\r\n0\r\n\r\n"), "the events were cut instead of ended"
    assert last_oom is None  # the next run does not take it for a crash


@pytest.mark.model("hand_landmarker.task")
@pytest.mark.photo
def test_what_was_begun_is_answered_and_no_worker_is_left(tmp_path: Path) -> None:
    with run_server(tmp_path, {**TOO_LARGE, "VISION__WORKERS": "1"}) as server:
        with open_stream(server) as stream:
            answer = httpx.post(f"{server.url}/v1/vision/hands?cache=false", content=thumb(), timeout=30)
            stream.send(thumb())
            result = json.loads(stream.recv(timeout=10))
            family = descendants(server.process.pid)
            code = close_code(stream)
        exit_code = server.process.wait(STOP_SECONDS)
        server.check_log()

    assert (answer.status_code, result["type"], code, exit_code) == (200, "result", SERVICE_RESTART, RECYCLED)
    assert len(family) >= 2  # the zygote and the model's child, perhaps one with the stream's tracker
    assert [pid for pid in family if Path(f"/proc/{pid}").exists()] == []


def _ask_ready(connection: socket.socket) -> int | None:
    """Ask over a connection that was there before; None where it is not answered any more."""
    try:
        connection.sendall(b"GET /health/ready HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        answer = connection.recv(65536)
    except OSError:
        return None
    return int(answer.split(b" ")[1]) if answer else None


def test_a_stop_in_order_closes_streams_with_the_same_code_and_ends_the_events(tmp_path: Path) -> None:
    with run_server(tmp_path) as server, open_stream(server) as stream, server.connect() as listener:
        listener.sendall(b"GET /v1/memory/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        first = listener.recv(65536)
        server.process.send_signal(signal.SIGTERM)

        code = close_code(stream)
        events = first + read_to_the_end(listener)

        assert server.process.wait(STOP_SECONDS) == 0
        server.check_log()
    assert code == SERVICE_RESTART
    assert events.startswith(b"HTTP/1.1 200")
    assert events.endswith(b"\r\n0\r\n\r\n")


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
    assert "api" in [holder["owner"] for holder in last["holders"]]
    assert last == again
    assert after_a_stop_in_order is None
