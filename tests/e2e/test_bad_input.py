"""Bad pictures, bad requests and bad clients: each gets the contract's problem, and the next request works."""

from __future__ import annotations

import gzip
import re
import socket
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.e2e.pictures import large_jpeg, png_bomb, png_file, thumb
from tests.e2e.server import RunningServer, eventually, problem_of, run_server
from tests.samples import form
from tests.serving import exchange, read_answer

pytestmark = [pytest.mark.model, pytest.mark.photo]

MAX_BYTES = 5 * 1024 * 1024
FORM = "multipart/form-data; boundary=b0undary"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    settings = {"VISION__WORKERS": "1", "MEMORY__LIMIT": "400M"}
    with run_server(tmp_path_factory.mktemp("bad"), settings) as server:
        yield server


@pytest.fixture(scope="module")
def hasty_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A service that does not wait long for the next bytes of a body."""
    with run_server(tmp_path_factory.mktemp("hasty"), {"UPLOAD__IDLE_SECONDS": "0.5"}) as server:
        yield server


@pytest.fixture
def client(server: RunningServer) -> Iterator[httpx.Client]:
    """A client; after the test the service must still do its work, in the same worker or another one."""
    with server.client() as client:
        yield client
        answer = client.post("/v1/vision/hands?cache=false", content=thumb())
        assert answer.status_code == 200, answer.text
        assert len(answer.json()["detections"]) == 1


def truncated() -> bytes:
    return thumb()[:20_000]


def corrupt() -> bytes:
    picture = bytearray(thumb())
    picture[600:] = b"\xff\xd8\xff\x00" * (len(picture[600:]) // 4)
    return bytes(picture)


def lying_png() -> bytes:
    """A PNG whose header says 600x600 and whose data ends after some rows."""
    header = struct.pack(">IIBBBBB", 600, 600, 8, 2, 0, 0, 0)
    return png_file((b"IHDR", header), (b"IDAT", zlib.compress(bytes(1801 * 10))))


BAD_PICTURES: dict[str, tuple[Any, int, str]] = {
    "empty": (lambda: b"", 415, "unsupported_media"),
    "text": (lambda: b"This is no picture.\n" * 100, 415, "unsupported_media"),
    "svg": (lambda: b'<svg xmlns="http://www.w3.org/2000/svg"/>', 415, "unsupported_media"),
    "zip": (lambda: b"PK\x03\x04" + bytes(100), 415, "unsupported_media"),
    "pdf": (lambda: b"%PDF-1.7\n" + bytes(100), 415, "unsupported_media"),
    "tiff": (lambda: b"II*\0" + bytes(100), 415, "unsupported_media"),
    "video": (lambda: b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + bytes(100), 415, "unsupported_media"),
    "truncated-jpeg": (truncated, 422, "invalid_media"),
    "jpeg-of-two-bytes": (lambda: b"\xff\xd8\xff", 422, "invalid_media"),
    "corrupt-jpeg": (corrupt, 422, "invalid_media"),
    "png-of-no-pixels": (
        lambda: png_file((b"IHDR", struct.pack(">IIBBBBB", 0, 9, 8, 2, 0, 0, 0))), 422, "invalid_media",
    ),
    "bomb": (png_bomb, 413, "too_many_pixels"),
    "picture-of-6-MB": (lambda: large_jpeg(6_000_000), 413, "payload_too_large"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_PICTURES)
@pytest.mark.parametrize("as_form", [False, True], ids=["raw", "form"])
def test_a_bad_picture_is_a_problem(client: httpx.Client, name: str, as_form: bool) -> None:
    make, status, code = BAD_PICTURES[name]
    options: dict[str, Any] = {"files": {"file": ("a.jpg", make())}} if as_form else {"content": make()}

    answer = client.post("/v1/vision/hands?cache=false", **options)

    problem_of(answer, status, code)


def test_a_png_that_ends_before_its_last_row_is_invalid(client: httpx.Client) -> None:
    answer = client.post("/v1/vision/hands?cache=false", content=lying_png())

    problem_of(answer, 422, "invalid_media")


def test_a_picture_of_many_pixels_says_how_many(client: httpx.Client) -> None:
    answer = client.post("/v1/vision/hands?cache=false", content=png_bomb())

    problem = problem_of(answer, 413, "too_many_pixels")
    assert problem["pixels"] == 400_000_000
    assert problem["limitPixels"] == 50_000_000


def test_a_picture_that_can_never_fit_says_both_numbers(client: httpx.Client) -> None:
    """7000x7000 pixels are allowed, but a WebP of that size takes more than the 400 MB of this service."""
    header = b"VP8X" + struct.pack("<I", 10) + b"\x10\0\0\0" + (6999).to_bytes(3, "little") * 2
    picture = b"RIFF" + struct.pack("<I", 4 + len(header) + 8 + 100) + b"WEBP" + header + b"VP8L" + bytes(104)

    answer = client.post("/v1/vision/hands?cache=false", content=picture)

    problem = problem_of(answer, 413, "memory_exceeds_limit")
    assert problem["neededBytes"] > problem["limitBytes"] > 0


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
def test_another_method_is_refused(client: httpx.Client, method: str) -> None:
    answer = client.request(method, "/v1/vision/hands")

    problem_of(answer, 405, "method_not_allowed")
    assert "POST" in answer.headers["allow"]


@pytest.mark.parametrize("path", ["/v1/vision/toes", "/v1/nothing", "/v1/vision/hands/toes", "/v1"])
def test_what_is_not_there_is_not_found(client: httpx.Client, path: str) -> None:
    answer = client.post(path, content=thumb(), follow_redirects=True)

    problem_of(answer, 404, "not_found")


@pytest.mark.parametrize(
    "query",
    [
        "maxHands=0", "maxHands=9", "maxHands=two", "maxHands=", "maxHands=1.5", "minConfidence=-0.1",
        "minConfidence=1.1", "minConfidence=nan", "minConfidence=inf", "unknown=1", "max_hands=1",
        "maxHands=" + "9" * 5000, "%00=1", "maxHands=%FF",
    ],
)  # fmt: skip
def test_a_wrong_parameter_is_named(client: httpx.Client, query: str) -> None:
    answer = client.post(f"/v1/vision/hands?{query}", content=thumb())

    problem_of(answer, 422, "invalid_parameter")


@pytest.mark.parametrize(
    "body",
    [
        form(("other", b"1")),
        form(("file", b"\xff\xd8\xff"), ("file", b"\xff\xd8\xff")),
        form(("file", b"\xff\xd8\xff"), end=b""),
        form(("file", b"\xff\xd8\xff"), boundary=b"another"),
        form(),
        b"",
        b"no form at all",
        b"--b0undary\r\nContent-Disposition: form-data; name=file" + b"x" * 100_000,
        b"--b0undary\r\n" + b"A: b\r\n" * 1000 + b"\r\n",
        form(*[("field", b"x")] * 100),
    ],
    ids=["no-file", "two-files", "no-end", "boundary", "no-part", "empty", "text", "long-header", "headers", "parts"],
)
def test_a_broken_form_is_a_bad_request(client: httpx.Client, body: bytes) -> None:
    answer = client.post("/v1/vision/hands?cache=false", content=body, headers={"Content-Type": FORM})

    problem_of(answer, 400, "bad_request")


@pytest.mark.parametrize("content_type", ["multipart/form-data", "multipart/form-data; boundary=" + "b" * 300])
def test_a_form_without_a_usable_boundary_is_a_bad_request(client: httpx.Client, content_type: str) -> None:
    answer = client.post(
        "/v1/vision/hands?cache=false", content=form(("file", thumb())), headers={"Content-Type": content_type}
    )

    problem_of(answer, 400, "bad_request")


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "GZIP", "gzip, identity"])
def test_a_compressed_body_is_unsupported(client: httpx.Client, encoding: str) -> None:
    answer = client.post(
        "/v1/vision/hands?cache=false", content=gzip.compress(thumb()), headers={"Content-Encoding": encoding}
    )

    problem_of(answer, 415, "unsupported_media")


def request(path: str, *headers: str) -> bytes:
    return "\r\n".join([f"POST {path} HTTP/1.1", "Host: localhost", *headers, "", ""]).encode()


def test_an_announced_length_above_the_cap_is_refused_before_a_byte_comes(
    client: httpx.Client, server: RunningServer
) -> None:
    del client

    status, body = exchange(server.port, request("/v1/vision/hands", "Content-Length: 1000000000000"))

    assert status == 413
    assert b'"payload_too_large"' in body


def test_chunks_without_end_are_counted(client: httpx.Client, server: RunningServer) -> None:
    del client
    chunk = b"10000\r\n" + thumb()[:1] + bytes(65535) + b"\r\n"

    status, body = exchange(
        server.port, request("/v1/vision/hands", "Transfer-Encoding: chunked"), *[chunk] * (MAX_BYTES // 65536 + 2)
    )

    assert status == 413
    assert b'"payload_too_large"' in body


def test_a_length_that_is_too_small_cuts_the_picture(client: httpx.Client, server: RunningServer) -> None:
    del client

    status, body = exchange(server.port, request("/v1/vision/hands", "Content-Length: 20000") + truncated())

    assert status == 422
    assert b'"invalid_media"' in body


@pytest.mark.parametrize(
    "headers",
    [
        ("Content-Length: 5", "Transfer-Encoding: chunked"),
        ("Content-Length: 5", "Content-Length: 6"),
        ("Content-Length: -1",),
        ("Content-Length: 1e3",),
        ("Content-Length: " + "9" * 30,),
        ("Transfer-Encoding: gzip",),
    ],
)
def test_a_framing_that_can_be_read_in_two_ways_is_refused(
    client: httpx.Client, server: RunningServer, headers: tuple[str, ...]
) -> None:
    del client

    status, _ = exchange(server.port, request("/v1/vision/hands", *headers) + b"hello")

    assert status in (400, 413)


@pytest.mark.parametrize("path", ["/v1/vision/hands", "/v1/media"])
@pytest.mark.parametrize("sent", [0, 10_000])
def test_a_body_that_stops_coming_times_out(hasty_server: RunningServer, path: str, sent: int) -> None:
    status, body = exchange(hasty_server.port, request(path, "Content-Length: 50000") + thumb()[:sent])

    assert status == 408
    assert b'"request_timeout"' in body
    assert httpx.get(f"{hasty_server.url}/v1/media").json()["items"] == []
    assert eventually(lambda: list((hasty_server.root / "tmp").iterdir()) == [])


@pytest.mark.parametrize("path", ["/v1/vision/hands", "/v1/media"])
@pytest.mark.parametrize("in_order", [True, False], ids=["closes", "resets"])
def test_a_client_that_goes_away_within_the_body_leaves_nothing(
    client: httpx.Client, server: RunningServer, path: str, in_order: bool
) -> None:
    with server.connect() as connection:
        connection.sendall(request(path, "Content-Length: 50000") + thumb()[:30_000])
        eventually(lambda: server.memory()["uploads"]["active"] == 1 if path == "/v1/media" else True)
        if not in_order:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    eventually(lambda: server.memory()["uploads"]["active"] == 0)
    eventually(lambda: list((server.root / "tmp").iterdir()) == [])
    assert client.get("/v1/media").json()["items"] == []


def test_a_client_that_does_not_wait_for_its_answer_holds_nothing(client: httpx.Client, server: RunningServer) -> None:
    del client
    for _ in range(5):
        with server.connect() as connection:
            connection.sendall(request("/v1/vision/hands?cache=false", f"Content-Length: {len(thumb())}") + thumb())

    eventually(lambda: server.at_work() == [])


def test_one_connection_serves_one_bad_request_after_the_other(client: httpx.Client, server: RunningServer) -> None:
    del client
    with server.connect() as connection:
        statuses = []
        for picture in (b"", b"text", thumb(), truncated(), thumb()):
            connection.sendall(request("/v1/vision/hands?cache=false", f"Content-Length: {len(picture)}") + picture)
            statuses.append(read_answer(connection)[0])

    assert statuses == [415, 415, 200, 422, 200]


def test_requests_sent_in_one_go_are_answered_in_order(client: httpx.Client, server: RunningServer) -> None:
    del client
    picture = thumb()
    good = request("/v1/vision/hands?cache=false", f"Content-Length: {len(picture)}") + picture
    bad = request("/v1/vision/hands", "Content-Length: 4") + b"text"
    with server.connect() as connection:
        connection.sendall(good + bad + good)
        data = b""
        while data.count(b"HTTP/1.1 ") < 3 or data.count(b'"detections"') < 2:
            chunk = connection.recv(65536)
            assert chunk
            data += chunk

    assert re.findall(rb"HTTP/1\.1 (\d+)", data) == [b"200", b"415", b"200"]
