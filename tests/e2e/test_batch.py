"""Many pictures in one request to the real service: a line for each, whatever the client and the pictures are like."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import struct
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.pictures import large_jpeg, thumb
from tests.e2e.server import (
    PROBLEM_MEMBERS,
    STOP_SECONDS,
    RunningServer,
    descendants,
    eventually,
    problem_of,
    run_server,
)
from tests.samples import form, mp4, png

pytestmark = [pytest.mark.model("hand_landmarker.task", "gesture_recognizer.task"), pytest.mark.photo]

PATH = "/v1/vision/hands/batch?cache=false"
FORM = "multipart/form-data; boundary=b0undary"
MAX_BYTES = 100_000
PATIENCE_SECONDS = 30
LINE_MEMBERS = PROBLEM_MEMBERS - {"requestId"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    settings = {"VISION__WORKERS": "1", "VISION__MAX_BYTES": str(MAX_BYTES)}
    with run_server(tmp_path_factory.mktemp("batch"), settings) as server:
        assert httpx.post(f"{server.url}/v1/vision/hands?cache=false", content=thumb(), timeout=30).status_code == 200
        yield server


@pytest.fixture
def client(server: RunningServer) -> Iterator[httpx.Client]:
    """A client; after each test nothing is held for any batch."""
    with server.client() as client:
        yield client
    eventually(lambda: what_is_left(server) == [])


def what_is_left(server: RunningServer) -> list[str]:
    memory = server.memory()
    left = server.at_work()
    left += ["a waiter"] * memory["budget"]["waiting"]
    left += list(memory["tempFiles"]["bySource"])
    return left + [path.name for path in (server.root / "tmp").iterdir()]


def pictures_form(pictures: Iterable[bytes], **options: Any) -> bytes:
    return form(*(("file", picture) for picture in pictures), **options)


def lines_of(text: str | bytes) -> list[dict[str, Any]]:
    assert text == "" or text[-1:] in ("\n", b"\n"), "the last line is not whole"
    return [json.loads(line) for line in text.splitlines()]


def send_form(client: httpx.Client, body: bytes, path: str = PATH) -> list[dict[str, Any]]:
    answer = client.post(path, content=body, headers={"Content-Type": FORM})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert "content-length" not in answer.headers
    assert answer.headers["x-request-id"]
    return lines_of(answer.text)


def codes(lines: Iterable[dict[str, Any]]) -> dict[int | None, str | None]:
    """Return the code of each line by its index; None where it is a result."""
    return {line["index"]: line.get("code") for line in lines}


class RawBatch:
    """A request in chunks of a client's own making, over a socket that takes little at a time."""

    def __init__(self, server: RunningServer) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._socket.settimeout(PATIENCE_SECONDS)
        self._socket.connect(("127.0.0.1", server.port))
        self._received = b""
        head = f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {FORM}\r\nTransfer-Encoding: chunked\r\n\r\n"
        self._socket.sendall(head.encode())

    def send(self, data: bytes) -> None:
        self._socket.sendall(b"%x\r\n%b\r\n" % (len(data), data))

    def end(self) -> None:
        self._socket.sendall(b"0\r\n\r\n")

    def read_until(self, seen: Callable[[bytes], bool]) -> bytes:
        """Read on until `seen` likes the body that came so far; return that."""
        while not seen(body := dechunked(self._received)):
            data = self._socket.recv(65536)
            assert data, f"the connection ended after {body[-300:]!r}"
            self._received += data
        return body

    def read_to_its_end(self) -> list[dict[str, Any]]:
        while not self._received.endswith(b"\r\n0\r\n\r\n"):
            data = self._socket.recv(65536)
            assert data, "the connection ended before the answer"
            self._received += data
        return lines_of(dechunked(self._received))

    def leave(self) -> None:
        """Go without a word: the other side sees a reset."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def batch(server: RunningServer) -> Iterator[RawBatch]:
    batch = RawBatch(server)
    yield batch
    batch.close()
    eventually(lambda: what_is_left(server) == [])


def dechunked(data: bytes) -> bytes:
    """Return as much of an answer's body as its whole chunks make."""
    _, _, rest = data.partition(b"\r\n\r\n")
    body = b""
    while b"\r\n" in rest:
        size, _, rest = rest.partition(b"\r\n")
        length = int(size, 16)
        if length == 0 or len(rest) < length:
            break
        body, rest = body + rest[:length], rest[length + 2 :]
    return body


def test_every_picture_has_a_line_that_is_the_answer_it_would_have_alone(client: httpx.Client) -> None:
    alone = client.post("/v1/vision/hands?cache=false", content=thumb()).json()

    lines = send_form(client, pictures_form([thumb()] * 10))

    assert sorted(codes(lines).items()) == [(index, None) for index in range(10)]
    for line in lines:
        assert line.keys() == {"index", *alone}
        assert line["detections"] == alone["detections"]
        assert (line["task"], line["width"], line["mode"]) == ("hands", 640, "FULL_QUALITY")


def test_results_go_to_the_picture_they_belong_to_in_whatever_order_they_come(client: httpx.Client) -> None:
    sizes = [(64 + 8 * number, 48) for number in range(30)]

    lines = send_form(client, pictures_form(png(*size) for size in sizes))

    assert {line["index"]: (line["width"], line["height"]) for line in lines} == dict(enumerate(sizes))


def test_files_of_any_name_and_of_a_real_client_are_taken(client: httpx.Client) -> None:
    files = [(name, (f"{name}.png", png(), "image/png")) for name in ("file", "pictures[]", "x")]

    answer = client.post(PATH, files=files, data={"note": "hello"})

    assert codes(lines_of(answer.text)) == {0: None, 1: None, 2: None}


def test_parameters_are_those_of_the_task(client: httpx.Client) -> None:
    lines = send_form(client, pictures_form([thumb()]), f"{PATH}&maxHands=1&minConfidence=1")

    assert lines[0]["detections"] == []
    refused = client.post(f"{PATH}&maxHands=99", content=pictures_form([thumb()]), headers={"Content-Type": FORM})
    problem_of(refused, 422, "invalid_parameter")


def test_one_bad_picture_is_one_problem_line(client: httpx.Client) -> None:
    broken = thumb()[: len(thumb()) // 2]

    lines = send_form(client, pictures_form([thumb(), b"no picture", broken, b"", mp4(5000), thumb()]))

    assert codes(lines) == {
        0: None, 1: "unsupported_media", 2: "invalid_media", 3: "unsupported_media", 4: "unsupported_media", 5: None,
    }  # fmt: skip
    for line in lines:
        if "code" in line:
            assert line.keys() >= LINE_MEMBERS
            assert line["type"].endswith(line["code"])
            assert "/tmp" not in json.dumps(line)


def test_a_picture_that_is_too_large_is_one_problem_line_and_the_next_is_read_right(client: httpx.Client) -> None:
    lines = send_form(client, pictures_form([thumb(), large_jpeg(MAX_BYTES + 1), large_jpeg(5 * MAX_BYTES), thumb()]))

    assert codes(lines) == {0: None, 1: "payload_too_large", 2: "payload_too_large", 3: None}


def test_a_picture_with_too_many_pixels_is_one_problem_line(client: httpx.Client) -> None:
    bomb = png(2, 2).replace(struct.pack(">II", 2, 2), struct.pack(">II", 20_000, 20_000))

    lines = send_form(client, pictures_form([bomb, thumb()]))

    assert codes(lines) == {0: "too_many_pixels", 1: None}


def test_a_line_comes_while_the_request_is_still_being_sent(batch: RawBatch) -> None:
    first = pictures_form([thumb()], end=b"--b0undary\r\n")
    batch.send(first)

    body = batch.read_until(lambda body: b"\n" in body)
    batch.send(pictures_form([thumb()])[len(b"--b0undary\r\n") :])
    batch.end()

    assert lines_of(body)[0]["index"] == 0
    assert codes(batch.read_to_its_end()) == {0: None, 1: None}


def test_a_client_that_reads_only_after_sending_everything_does_not_hang(batch: RawBatch) -> None:
    pictures = [thumb() if number % 4 == 0 else png(64, 48) for number in range(300)]
    body = pictures_form(pictures)

    for at in range(0, len(body), 50_000):
        batch.send(body[at : at + 50_000])
    batch.end()
    lines = batch.read_to_its_end()

    assert sorted(line["index"] for line in lines) == list(range(300))
    assert sum(bool(line["detections"]) for line in lines) == 75
    assert sum(len(json.dumps(line)) for line in lines) > 200_000  # more than any buffer on the way holds


def test_a_client_that_reads_as_it_sends_gets_the_same(client: httpx.Client) -> None:
    body = pictures_form([png(64, 48)] * 40)

    with client.stream(
        "POST", PATH, content=(body[at : at + 500] for at in range(0, len(body), 500)), headers={"Content-Type": FORM}
    ) as answer:
        lines = [json.loads(line) for line in answer.iter_lines()]

    assert sorted(line["index"] for line in lines) == list(range(40))


def test_a_client_that_leaves_while_it_sends_leaves_nothing(server: RunningServer, batch: RawBatch) -> None:
    body = pictures_form([thumb()] * 30)
    batch.send(body[: len(body) // 2])
    batch.read_until(lambda body: b"\n" in body)
    assert "batch" in server.memory()["tempFiles"]["bySource"]

    batch.leave()

    eventually(lambda: what_is_left(server) == [])
    assert httpx.post(f"{server.url}/v1/vision/hands?cache=false", content=thumb(), timeout=30).status_code == 200


def test_a_client_that_leaves_when_all_is_sent_leaves_nothing(server: RunningServer, batch: RawBatch) -> None:
    batch.send(pictures_form([thumb()] * 60))
    batch.end()
    batch.read_until(lambda body: b"\n" in body)

    batch.leave()

    eventually(lambda: what_is_left(server) == [])


def test_a_client_that_hangs_up_in_order_leaves_nothing(server: RunningServer, batch: RawBatch) -> None:
    batch.send(pictures_form([thumb()] * 60))
    batch.end()

    batch.close()

    eventually(lambda: what_is_left(server) == [])


def test_a_client_that_leaves_while_its_stored_pictures_wait_leaves_nothing(
    server: RunningServer, client: httpx.Client
) -> None:
    media_id = client.post("/v1/media?inline=never", content=thumb()).raise_for_status().json()["id"]
    body = json.dumps({"media": [media_id] * 2000}).encode()
    head = f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    head += f"Content-Length: {len(body)}\r\n\r\n"
    with server.connect() as connection:
        connection.sendall(head.encode() + body)
        assert connection.recv(100).startswith(b"HTTP/1.1 200")
        assert {"batch", "list"} <= server.memory()["tempFiles"]["bySource"].keys()

    eventually(lambda: what_is_left(server) == [])


def test_a_client_that_stops_in_the_middle_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    with run_server(tmp_path, {"VISION__WORKERS": "1", "UPLOAD__IDLE_SECONDS": "2"}) as hasty:
        assert httpx.post(f"{hasty.url}/v1/vision/hands", content=thumb(), timeout=30).status_code == 200
        batch = RawBatch(hasty)
        batch.send(pictures_form([png()], end=b"--b0undary\r\n"))
        batch.read_until(lambda body: b"\n" in body)

        lines = batch.read_to_its_end()  # the idle time of the service ends it

        batch.close()
        eventually(lambda: what_is_left(hasty) == [])
    assert lines[0]["index"] == 0
    assert lines[-1]["index"] is None
    assert lines[-1]["code"] == "request_timeout"


def test_a_form_that_breaks_in_the_middle_keeps_the_lines_so_far_and_ends_with_the_problem(batch: RawBatch) -> None:
    batch.send(pictures_form([png(), png()], end=b"--b0undary\r\n"))
    batch.read_until(lambda body: body.count(b"\n") == 2)

    batch.send(b"this is no header\r\n\r\n")
    batch.end()
    lines = batch.read_to_its_end()

    assert codes(lines) == {0: None, 1: None, None: "bad_request"}


def test_a_form_that_ends_too_early_is_told(batch: RawBatch) -> None:
    batch.send(pictures_form([png()], end=b"--b0undary\r\n"))
    batch.read_until(lambda body: b"\n" in body)

    batch.end()
    lines = batch.read_to_its_end()

    assert codes(lines) == {0: None, None: "bad_request"}


def test_a_picture_that_breaks_off_is_told(batch: RawBatch) -> None:
    batch.send(pictures_form([png()], end=b"--b0undary\r\n"))
    batch.read_until(lambda body: b"\n" in body)

    batch.send(pictures_form([thumb()])[len(b"--b0undary\r\n") : -5000])
    batch.end()
    lines = batch.read_to_its_end()

    assert codes(lines) == {0: None, 1: "bad_request", None: "bad_request"}


@pytest.mark.parametrize(
    ("content_type", "body", "status", "code"),
    [
        (FORM, b"", 400, "bad_request"),
        (FORM, b"not a form", 400, "bad_request"),
        (FORM, form(), 400, "bad_request"),
        (FORM, form(("note", b"no file")), 400, "bad_request"),
        ("multipart/form-data", form(("file", b"x")), 400, "bad_request"),
        ("image/jpeg", b"\xff\xd8\xff", 400, "bad_request"),
        ("application/json", b"", 400, "bad_request"),
        ("application/json", b"{", 400, "bad_request"),
        ("application/json", b"\xff", 400, "bad_request"),
        ("application/json", b"[]", 422, "invalid_parameter"),
        ("application/json", b"{}", 422, "invalid_parameter"),
        ("application/json", b'{"media": "x"}', 422, "invalid_parameter"),
        ("application/json", b'{"media": []}', 422, "invalid_parameter"),
        ("application/json", b'{"media": [1]}', 422, "invalid_parameter"),
        ("application/json", b'{"media": ["x"], "more": 1}', 422, "invalid_parameter"),
        ("application/json; charset=utf-8", b'{"media": 5}', 422, "invalid_parameter"),
        ("application/json", b'{"media": [' + b'"x",' * 100_000 + b'"x"]}', 422, "invalid_parameter"),
        ("application/json", b'{"media": ["' + b"x" * (4 << 20) + b'"]}', 413, "payload_too_large"),
    ],
    ids=lambda value: repr(value[:24]) if isinstance(value, bytes | str) else None,
)
def test_what_is_no_batch_is_refused_before_anything_is_answered(
    client: httpx.Client, content_type: str, body: bytes, status: int, code: str
) -> None:
    answer = client.post(PATH, content=body, headers={"Content-Type": content_type})

    problem_of(answer, status, code)


def test_a_compressed_body_is_refused(client: httpx.Client) -> None:
    answer = client.post(PATH, content=b"x", headers={"Content-Type": FORM, "Content-Encoding": "gzip"})

    problem_of(answer, 415, "unsupported_media")


def test_stored_pictures_are_analysed_by_their_ids(client: httpx.Client) -> None:
    def store(data: bytes) -> str:
        media_id: str = client.post("/v1/media?inline=never", content=data).raise_for_status().json()["id"]
        return media_id

    hand, blank, video, large = store(thumb()), store(png()), store(mp4(5000)), store(large_jpeg(MAX_BYTES + 1))
    gone = store(png())
    assert client.delete(f"/v1/media/{gone}").status_code == 204

    answer = client.post(PATH, json={"media": [hand, blank, hand, gone, "no-id", "../../lock", video, large]})

    lines = lines_of(answer.text)
    assert codes(lines) == {
        0: None, 1: None, 2: None, 3: "not_found", 4: "not_found", 5: "not_found", 6: "unsupported_media",
        7: "payload_too_large",
    }  # fmt: skip
    found = {line["index"]: len(line["detections"]) for line in lines if "detections" in line}
    assert found == {0: 1, 1: 0, 2: 1}


def test_another_task_has_its_batch_too(client: httpx.Client) -> None:
    lines = send_form(client, pictures_form([thumb()]), "/v1/vision/gestures/batch")

    assert lines[0]["detections"][0]["gesture"]["label"] == "Thumb_Up"
    problem_of(
        client.post("/v1/vision/feet/batch", content=pictures_form([png()]), headers={"Content-Type": FORM}),
        404,
        "not_found",
    )


def test_batches_and_single_requests_share_the_workers(client: httpx.Client, batch: RawBatch) -> None:
    batch.send(pictures_form([thumb()] * 40))
    batch.end()
    batch.read_until(lambda body: b"\n" in body)

    single = client.post("/v1/vision/hands?cache=false", content=thumb())
    so_far = len(lines_of(batch.read_until(lambda body: body.endswith(b"\n"))))

    assert single.status_code == 200
    assert so_far < 40  # the single one did not have to wait for the whole batch
    assert len(batch.read_to_its_end()) == 40


def test_a_client_that_does_not_read_keeps_to_its_share_of_the_disk_and_is_told(tmp_path: Path) -> None:
    settings = {"VISION__WORKERS": "1", "STORAGE__QUOTA": "30M", "STORAGE__CLIENT_SHARE": "0.01"}
    with run_server(tmp_path, settings) as server:
        batch = RawBatch(server)
        with contextlib.closing(batch):
            batch.send(pictures_form([thumb()] * 400))
            batch.end()
            lines = batch.read_to_its_end()
        eventually(lambda: what_is_left(server) == [])

    assert sum(len(json.dumps(line)) for line in lines) < 2 * 300_000
    assert (lines[-1]["index"], lines[-1]["code"]) == (None, "storage_full")
    assert lines[-1]["neededBytes"] > lines[-1]["freeBytes"]


def test_without_the_model_each_picture_says_so(tmp_path: Path) -> None:
    with run_server(tmp_path, {"MODELS__DIR": str(tmp_path / "none")}) as server, server.client() as client:
        lines = send_form(client, pictures_form([png(), png()]))

    assert codes(lines) == {0: "model_missing", 1: "model_missing"}


def test_a_service_that_ends_in_the_middle_leaves_nothing(tmp_path: Path) -> None:
    with run_server(tmp_path, {"VISION__WORKERS": "1", "SERVER__DRAIN_SECONDS": "1"}) as server:
        batch = RawBatch(server)
        with contextlib.closing(batch):
            batch.send(pictures_form([thumb()] * 20, end=b"--b0undary\r\n"))
            batch.read_until(lambda body: b"\n" in body)
            family = descendants(server.process.pid)

            server.process.send_signal(signal.SIGTERM)

            assert server.process.wait(STOP_SECONDS) == 0
        assert list((server.root / "tmp").iterdir()) == []
        assert [pid for pid in family if Path(f"/proc/{pid}").exists()] == []
