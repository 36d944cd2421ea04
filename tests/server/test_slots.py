"""The cap on connections, over real connections to our own listener."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from app.server.slots import MAX_OVERFLOW
from tests.e2e.server import RunningServer, eventually, run_server
from tests.server.refusals import KEY, STREAM, UPGRADE, refusal
from tests.serving import read_answer

SLOTS = 8
HEADER_SECONDS = 0.6


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder: Path = tmp_path_factory.mktemp("service")
    settings = {"SERVER__MAX_CONNECTIONS": str(SLOTS), "SERVER__HEADER_SECONDS": str(HEADER_SECONDS)}
    with run_server(folder, settings) as server:
        yield server


@pytest.fixture
def full(server: RunningServer) -> Iterator[ExitStack]:
    """Take every slot with an upload that goes on; slots that earlier tests have left are waited for."""
    with ExitStack() as stack:
        for _ in range(SLOTS):
            _take_slot(server, stack).sendall(
                b"POST /v1/media?inline=never HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n"
                b"\x89PNG\r\n\x1a\n"
            )
        yield stack


def _take_slot(server: RunningServer, stack: ExitStack) -> socket.socket:
    """Return a connection that has a slot: it was answered and stays open. One that a test left is waited for."""
    give_up_at = time.monotonic() + 10
    while True:
        connection = server.connect()
        connection.sendall(b"GET /v1/limits HTTP/1.1\r\nHost: localhost\r\n\r\n")
        if read_answer(connection)[0] == 200:
            return stack.enter_context(connection)
        connection.close()
        assert time.monotonic() < give_up_at
        time.sleep(0.05)


def _ask(server: RunningServer, path: str) -> tuple[int, bytes]:
    with server.connect() as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        return read_answer(connection)


def _is_closed(connection: socket.socket) -> bool:
    """Whether the other side has closed it, now or soon: long before the default of 10 s is over."""
    connection.settimeout(5)
    try:
        while connection.recv(65536):
            pass
    except TimeoutError:
        return False
    except ConnectionError:
        return True
    return True


@pytest.mark.usefixtures("full")
def test_probes_are_answered_when_all_slots_are_taken(server: RunningServer) -> None:
    for path in ("/health/live", "/health/ready", "/metrics", "/metrics/memory"):
        assert _ask(server, path)[0] == 200


@pytest.mark.usefixtures("full")
def test_others_are_told_to_come_back(server: RunningServer) -> None:
    with server.connect() as connection:
        connection.sendall(b"GET /v1/limits HTTP/1.1\r\nHost: localhost\r\n\r\n")

        assert refusal(connection, "overloaded") == 503


@pytest.mark.usefixtures("full")
def test_an_upload_above_the_cap_is_answered_though_it_is_not_read(server: RunningServer) -> None:
    with server.connect() as connection:
        connection.sendall(b"POST /v1/media HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3000000\r\n\r\n")
        connection.sendall(bytes(1_000_000))

        assert refusal(connection, "overloaded") == 503


@pytest.mark.usefixtures("full")
def test_a_websocket_above_the_cap_is_refused(server: RunningServer) -> None:
    with server.connect() as connection:
        connection.sendall(UPGRADE % STREAM + KEY + b"\r\n")

        assert refusal(connection, "overloaded") == 503


@pytest.mark.usefixtures("full")
def test_silent_connections_do_not_keep_the_probes_out(server: RunningServer) -> None:
    with ExitStack() as stack:
        silent = [stack.enter_context(server.connect()) for _ in range(2 * MAX_OVERFLOW)]
        status = _ask(server, "/health/live")[0]
        oldest_closed = _is_closed(silent[0])

    assert status == 200
    assert oldest_closed


def test_a_slot_that_is_left_is_free_again(server: RunningServer, full: ExitStack) -> None:
    assert _ask(server, "/v1/limits")[0] == 503

    full.close()

    assert eventually(lambda: _ask(server, "/v1/limits")[0] == 200)


def test_idle_connections_keep_their_slots(server: RunningServer) -> None:
    with ExitStack() as stack:
        for _ in range(SLOTS):
            _take_slot(server, stack)

        assert _ask(server, "/v1/limits")[0] == 503


@pytest.mark.parametrize("beginning", [b"", b"GET / HTTP/1.1\r\nHost: local"])
def test_a_head_that_does_not_come_to_its_end_is_not_waited_for(server: RunningServer, beginning: bytes) -> None:
    with server.connect() as connection:
        connection.sendall(beginning)

        assert _is_closed(connection)


def test_the_next_head_on_a_connection_has_its_deadline_too(server: RunningServer) -> None:
    with server.connect() as connection:
        connection.sendall(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert read_answer(connection)[0] == 200
        connection.sendall(b"G")

        assert _is_closed(connection)
