"""Clients that mean harm: what they may cost is small, and the others are served meanwhile."""

from __future__ import annotations

import asyncio
import base64
import os
import re
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.e2e.pictures import large_jpeg, thumb
from tests.e2e.server import RunningServer, eventually, run_server

pytestmark = [pytest.mark.model, pytest.mark.photo]

MIB = 1 << 20
GROWTH_BYTES = 12 * MIB
"""What one attack may add to the service's memory: some read buffers of the loop (256 KiB each) and slack."""

BINARY, PING, CONTINUATION = 2, 9, 0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    settings = {
        "MEMORY__LIMIT": "300M", "MEMORY__WAIT_SECONDS": "55", "VISION__WORKERS": "1", "SERVER__MAX_CONNECTIONS": "40",
        "SERVER__PROBE_PORT": "0", "SERVER__DRAIN_SECONDS": "2",
    }  # fmt: skip
    with run_server(tmp_path_factory.mktemp("attacks"), settings) as server:
        assert httpx.post(f"{server.url}/v1/vision/hands?cache=false", content=thumb(), timeout=30).status_code == 200
        yield server


def peak_bytes(server: RunningServer) -> int:
    text = Path(f"/proc/{server.process.pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", text)
    assert found is not None
    return int(found[1]) * 1024


def reset_peak(server: RunningServer) -> int:
    Path(f"/proc/{server.process.pid}/clear_refs").write_text("5")
    return peak_bytes(server)


def flood(connection: socket.socket, block: bytes, times: int) -> bool:
    """Send `block` so often, or until the service stops it or takes no more; return whether all of it was sent."""
    connection.settimeout(3)
    try:
        for _ in range(times):
            connection.sendall(block)
    except OSError:
        return False
    return True


def open_websocket(server: RunningServer) -> socket.socket:
    connection = server.connect()
    key = base64.b64encode(os.urandom(16)).decode()
    connection.sendall(
        "GET /v1/vision/hands/stream HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    data = b""
    while b'"ready"' not in data:
        more = connection.recv(4096)
        assert more, data
        data += more
    return connection


def frame(opcode: int, data: bytes, *, last: bool = True) -> bytes:
    """Return a masked frame of at most 125 bytes (RFC 6455, section 5.2)."""
    return bytes([opcode | 0x80 * last, 0x80 | len(data)]) + bytes(4) + data


async def post_all(server: RunningServer, pictures: list[bytes]) -> list[int]:
    limits = httpx.Limits(max_connections=len(pictures))
    async with httpx.AsyncClient(base_url=server.url, timeout=120, limits=limits) as client:
        answers = await asyncio.gather(*(client.post("/v1/vision/hands?cache=false", content=one) for one in pictures))
    return [answer.status_code for answer in answers]


async def test_a_burst_of_large_pictures_is_served_in_little_memory(server: RunningServer) -> None:
    """30 pictures of 5 MB wait for their turn; what waits is not in memory, or nobody would ever get the rest."""
    statuses = await post_all(server, [large_jpeg(5_000_000)] * 30)

    assert statuses == [200] * 30
    assert server.memory()["oomKills"] == 0


async def test_a_burst_of_small_pictures_is_served(server: RunningServer) -> None:
    assert await post_all(server, [thumb()] * 35) == [200] * 35


def test_slow_senders_do_not_keep_the_others_out(server: RunningServer) -> None:
    """They announce as much as the whole budget, and send a byte now and then so that they are never idle."""
    head = b"POST /v1/vision/hands HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000000\r\n\r\n\xff\xd8\xff"
    with ExitStack() as stack:
        for _ in range(30):
            stack.enter_context(server.connect()).sendall(head)
        eventually(lambda: server.memory()["uploads"]["active"] or len(server.memory()["budget"]["holders"]) > 3)

        answer = httpx.post(f"{server.url}/v1/vision/hands?cache=false", content=thumb(), timeout=30)

    assert answer.status_code == 200


def test_above_the_connection_cap_the_probes_still_answer(server: RunningServer) -> None:
    with ExitStack() as stack:
        for _ in range(60):
            stack.enter_context(server.connect())
        time.sleep(0.3)

        refused = _refused(server)
        probe = httpx.get(f"http://127.0.0.1:{server.probe_port}/health/live")

    assert refused
    assert probe.status_code == 200
    eventually(lambda: not _refused(server))


def _refused(server: RunningServer) -> bool:
    try:
        return httpx.get(f"{server.url}/v1/limits", timeout=2).status_code == 503
    except httpx.TransportError:
        return True


def test_a_websocket_request_by_another_method_is_answered(server: RunningServer) -> None:
    with server.connect() as connection:
        connection.settimeout(3)
        connection.sendall(
            b"POST /v1/vision/hands/stream HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\nContent-Length: 3\r\n\r\nabc"
        )

        assert connection.recv(4096)[:9] in (b"HTTP/1.1 ", b"")


def test_hostile_metadata_writes_nothing_to_the_log(server: RunningServer) -> None:
    picture = thumb()
    exif = b"Exif\0\0II*\0\x08\0\0\0\xff\xff\x12\x01\x03\0\xff\xff\xff\xff\x06\0\0\0"
    segment = b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif
    before = len(server.log_lines())

    httpx.post(f"{server.url}/v1/vision/hands?cache=false", content=picture[:2] + segment + picture[2:], timeout=30)

    assert [line for line in server.log_lines()[before:] if "PIL" in line["message"]] == []


def test_many_requests_in_one_go_are_all_answered(server: RunningServer) -> None:
    before = reset_peak(server)
    with server.connect() as connection:
        connection.sendall(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n" * 2000)
        received = bytearray()
        while received.count(b"HTTP/1.1 200") < 2000:
            data = connection.recv(65536)
            assert data
            received += data

    assert peak_bytes(server) - before < GROWTH_BYTES


def test_pings_whose_answers_nobody_reads_are_not_kept(server: RunningServer) -> None:
    before = reset_peak(server)
    with open_websocket(server) as connection:
        flood(connection, frame(PING, bytes(125)) * 1000, 300)
        grown = peak_bytes(server) - before

    assert grown < GROWTH_BYTES
    assert httpx.get(f"{server.url}/health/live").status_code == 200


def test_a_message_in_countless_fragments_is_cut_off(server: RunningServer) -> None:
    before = reset_peak(server)
    with open_websocket(server) as connection:
        connection.sendall(frame(BINARY, b"ab", last=False))
        flood(connection, frame(CONTINUATION, b"ab", last=False) * 10_000, 200)

    assert peak_bytes(server) - before < GROWTH_BYTES + 5 * MIB


@pytest.mark.parametrize(
    ("head", "block"),
    [
        (b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n", b"X-Filler: " + b"a" * 100_000 + b"\r\n"),
        (b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nX-Filler: ", b"a" * 100_000),
        (b"GET /health/live?", b"a" * 100_000),
        (b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n", b"".join(b"X-%d: a\r\n" % n for n in range(8000))),
    ],
    ids=["headers", "header", "address", "many"],
)
def test_a_head_without_end_is_cut_off(server: RunningServer, head: bytes, block: bytes) -> None:
    before = reset_peak(server)
    with server.connect() as connection:
        connection.sendall(head)
        whole = flood(connection, block, 300)

    assert not whole
    assert peak_bytes(server) - before < GROWTH_BYTES
