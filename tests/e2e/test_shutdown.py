"""The end of the service, in order: not ready, still answering, drained, cut with a last word, the probe port last."""

from __future__ import annotations

import json
import signal
import socket
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.pictures import thumb
from tests.e2e.server import STOP_SECONDS, RunningServer, eventually, run_server
from tests.samples import png
from tests.serving import read_whole_answer

PATIENT = {"SERVER__LAME_DUCK_SECONDS": "60", "SERVER__DRAIN_SECONDS": "60", "SERVER__PROBE_PORT": "0"}
"""Each step takes so long that only what a test does goes on to the next."""

UPLOAD = (
    b"POST /v1/media?inline=never HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\nContent-Length: %d\r\n\r\n"
)

_PART = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n'


def terminate(server: RunningServer, number: int = signal.SIGTERM) -> None:
    """Ask for the end, and wait until it has begun."""
    server.process.send_signal(number)
    eventually(lambda: "the service ends" in server.log_text())


def hurry(server: RunningServer) -> None:
    server.process.send_signal(signal.SIGTERM)


def is_refused(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except ConnectionRefusedError:
        return True
    return False


def ended(server: RunningServer) -> int:
    """Return the exit code; nothing of the log is an error, or a traceback."""
    code = server.process.wait(STOP_SECONDS)
    server.check_log()
    return code


def began_upload(server: RunningServer, body: bytes) -> socket.socket:
    """Return a connection over which the first half of an upload was sent, and taken."""
    connection = server.connect()
    connection.sendall(UPLOAD % len(body) + body[: len(body) // 2])
    eventually(lambda: server.memory()["uploads"]["active"])
    return connection


def test_at_sigterm_it_is_not_ready_at_once_and_both_ports_still_answer(tmp_path: Path) -> None:
    with run_server(tmp_path, PATIENT) as server, server.client() as client:
        assert client.get("/health/ready").status_code == 200
        terminate(server)

        for port in (server.port, server.probe_port):
            ready = httpx.get(f"http://127.0.0.1:{port}/health/ready")
            assert ready.status_code == 503
            assert "the service is shutting down" in ready.json()["reasons"]
            assert httpx.get(f"http://127.0.0.1:{port}/health/live").status_code == 200
        stored = client.post("/v1/media", content=png(), headers={"Content-Type": "image/png"})

        assert stored.status_code == 201
        assert stored.headers["connection"] == "close"  # so that a proxy takes another one next time
        hurry(server)
        assert ended(server) == 0


def test_then_new_connections_are_refused_what_is_open_is_finished_and_the_probe_port_is_last(tmp_path: Path) -> None:
    body = png() + bytes(200_000)
    with run_server(tmp_path, PATIENT | {"SERVER__LAME_DUCK_SECONDS": "0.2"}) as server:
        with began_upload(server, body) as upload:
            terminate(server)
            eventually(lambda: is_refused(server.port))
            probe = httpx.get(f"http://127.0.0.1:{server.probe_port}/health/live")
            upload.sendall(body[len(body) // 2 :])
            status, _, answer = read_whole_answer(upload)

        assert probe.status_code == 200
        assert (status, json.loads(answer)["sizeBytes"]) == (201, len(body))
        assert ended(server) == 0
        assert is_refused(server.probe_port)


def test_what_is_cut_is_told_so_and_leaves_nothing(tmp_path: Path) -> None:
    settings = {"SERVER__DRAIN_SECONDS": "0.3", "SERVER__PROBE_PORT": "0"}
    with run_server(tmp_path, settings) as server:
        with began_upload(server, png() + bytes(2_000_000)) as upload:
            terminate(server)
            status, headers, answer = read_whole_answer(upload)

        assert (status, json.loads(answer)["code"]) == (503, "overloaded")
        assert int(headers["retry-after"]) >= 1
        assert ended(server) == 0
        assert list((server.root / "tmp").iterdir()) == []
        assert "what is still open is cut" in server.log_text()


def test_a_second_sigterm_hurries(tmp_path: Path) -> None:
    with run_server(tmp_path, PATIENT) as server, began_upload(server, png() + bytes(200_000)) as upload:
        terminate(server)
        assert not is_refused(server.port)

        hurry(server)

        assert read_whole_answer(upload)[0] == 503
        assert ended(server) == 0


def test_who_sits_at_a_terminal_does_not_wait_for_load_balancers(tmp_path: Path) -> None:
    with run_server(tmp_path, PATIENT) as server:
        terminate(server, signal.SIGINT)

        assert ended(server) == 0


def test_a_connection_that_was_just_made_is_answered(tmp_path: Path) -> None:
    with run_server(tmp_path, PATIENT | {"SERVER__LAME_DUCK_SECONDS": "0"}) as server, server.connect() as fresh:
        eventually(lambda: _waiting(server) == 1)
        terminate(server)
        eventually(lambda: is_refused(server.port))
        fresh.sendall(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")

        assert read_whole_answer(fresh)[0] == 200
        assert ended(server) == 0


def _waiting(server: RunningServer) -> int:
    """Return how many connections have not sent a request yet."""
    text = httpx.get(f"http://127.0.0.1:{server.probe_port}/metrics").text
    (line,) = [line for line in text.splitlines() if line.startswith('ballast_connections{state="waiting"}')]
    return int(float(line.split()[-1]))


@pytest.mark.model("hand_landmarker.task")
@pytest.mark.photo
class TestABatch:
    """Pictures are sent one by one, so that a batch lasts for as long as the test wants."""

    def test_goes_on_to_its_end_while_there_is_time(self, tmp_path: Path) -> None:
        with run_server(tmp_path, PATIENT | {"SERVER__LAME_DUCK_SECONDS": "0"}) as server, server.connect() as client:
            lines = self._begin(client)
            assert next(lines)["index"] == 0
            terminate(server)
            eventually(lambda: is_refused(server.port))
            self._send(client, [thumb(), b"\r\n--b--\r\n", b""])

            assert [line["index"] for line in lines] == [1]
            assert ended(server) == 0

    def test_has_a_last_line_where_it_is_cut(self, tmp_path: Path) -> None:
        with run_server(tmp_path, {"SERVER__DRAIN_SECONDS": "0.3"}) as server, server.connect() as client:
            lines = self._begin(client)
            assert next(lines)["index"] == 0
            terminate(server)

            last = list(lines)[-1]

            assert (last["index"], last["code"], last["status"]) == (None, "overloaded", 503)
            assert ended(server) == 0

    def _begin(self, client: socket.socket) -> Iterator[dict[str, Any]]:
        client.sendall(
            b"POST /v1/vision/hands/batch HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
            b"Content-Type: multipart/form-data; boundary=b\r\n\r\n"
        )
        self._send(client, [_PART + thumb(), b"\r\n" + _PART])  # a part ends where the next one begins
        return _lines(client)

    @staticmethod
    def _send(client: socket.socket, chunks: Sequence[bytes]) -> None:
        for chunk in chunks:
            client.sendall(b"%x\r\n%b\r\n" % (len(chunk), chunk))


def _lines(client: socket.socket) -> Iterator[dict[str, Any]]:
    """Yield the lines of a chunked answer, which must come to its end."""
    give_up_at = time.monotonic() + STOP_SECONDS
    data = b""
    told = 0
    client.settimeout(0.2)
    while time.monotonic() < give_up_at:
        lines = [json.loads(line) for line in _body(data).split(b"\n")[:-1]]
        yield from lines[told:]
        told = len(lines)
        if data.endswith(b"0\r\n\r\n"):
            return
        try:
            piece = client.recv(65536)
        except TimeoutError:
            continue
        assert piece, "the answer was torn"
        data += piece


def _body(data: bytes) -> bytes:
    """Return what came whole of a chunked body, behind the head of its answer."""
    rest, body = data.partition(b"\r\n\r\n")[2], b""
    while b"\r\n" in rest:
        size, _, rest = rest.partition(b"\r\n")
        piece, rest = rest[: int(size, 16)], rest[int(size, 16) + 2 :]
        body += piece
    return body
