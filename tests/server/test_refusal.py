"""Answers that the server gives by itself, over real connections: each is a problem, with its id in the header too."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.server import RunningServer, run_server
from tests.server.refusals import KEY, STREAM, UPGRADE, refusal
from tests.serving import read_whole_answer


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with run_server(tmp_path_factory.mktemp("service"), {"SERVER__PROBE_PORT": "0"}) as server:
        yield server


@pytest.mark.parametrize(
    ("request_bytes", "status", "code"),
    [
        (b"this is not HTTP\r\n\r\n", 400, "bad_request"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 70_000, 431, "bad_request"),
        (UPGRADE % STREAM + b"\r\n", 400, "bad_request"),
        (UPGRADE % STREAM + KEY + b"X: " + b"x" * 40_000 + b"\r\n\r\n", 431, "bad_request"),
        (UPGRADE % b"/v1/vision/nothing/stream" + KEY + b"\r\n", 404, "not_found"),
        (UPGRADE % b"/nothing" + KEY + b"\r\n", 404, "not_found"),
    ],
    ids=["garbage", "a large head", "no key of a handshake", "a large handshake", "no such task", "no such stream"],
)
def test_what_the_server_refuses_is_a_problem_with_an_id(
    server: RunningServer, request_bytes: bytes, status: int, code: str
) -> None:
    with server.connect() as connection:
        connection.sendall(request_bytes)

        assert refusal(connection, code) == status


def test_the_head_of_a_later_request_is_bounded_too(server: RunningServer) -> None:
    with server.connect() as connection:
        connection.sendall(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert read_whole_answer(connection)[0] == 200
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 70_000)

        assert refusal(connection, "bad_request") == 431


def test_what_is_not_on_the_probe_listener_is_a_problem_with_an_id(server: RunningServer) -> None:
    with socket.create_connection(("127.0.0.1", server.probe_port), timeout=30) as connection:
        connection.sendall(b"GET /v1/limits HTTP/1.1\r\nHost: localhost\r\n\r\n")

        assert refusal(connection, "not_found") == 404


def test_a_request_that_the_end_of_the_service_cuts_off_is_a_problem_with_an_id(tmp_path: Path) -> None:
    with run_server(tmp_path, {"SERVER__DRAIN_SECONDS": "1"}) as server, server.connect() as connection:
        connection.sendall(b"POST /v1/media HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n")
        connection.sendall(b"\x89PNG")

        server.process.send_signal(signal.SIGTERM)

        assert refusal(connection, "overloaded") == 503
        assert server.process.wait(20) == 0
