"""tus 1.0.0 over real connections, and random sequences of requests against a model of what must happen."""

from __future__ import annotations

import hashlib
import random
import socket
import time
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.main import create_app
from app.settings import MemorySettings, Settings, StorageSettings, UploadSettings
from tests.serving import serve

MAX_BYTES = 4_000_000
TUS = {"Tus-Resumable": "1.0.0"}
PIECE = {**TUS, "Content-Type": "application/offset+octet-stream"}


def picture(size: int) -> bytes:
    """Return `size` bytes that are taken for a picture, the rest being noise: nothing is probed in a child."""
    return b"\x89PNG\r\n\x1a\n" + random.Random(size).randbytes(size - 8)


DATA = picture(400_000)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("storage")


@pytest.fixture(scope="module")
def app(root: Path) -> FastAPI:
    return create_app(
        Settings(
            memory=MemorySettings(limit=8 << 30),
            storage=StorageSettings(root=root, free_floor=0, fsync=False),
            upload=UploadSettings(max_bytes=MAX_BYTES, inline_max_bytes=1000, idle_seconds=2.0),
        )
    )


@pytest.fixture(scope="module")
def port(app: FastAPI) -> Iterator[int]:
    with serve(app) as port:
        yield port


@pytest.fixture
def client(port: int) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
        yield client


def begin(client: httpx.Client, length: int | None = len(DATA), **headers: str) -> str:
    words = {"Upload-Defer-Length": "1"} if length is None else {"Upload-Length": str(length)}
    answer = client.post(
        "/v1/uploads", headers={**TUS, **words, **{k.replace("_", "-"): v for k, v in headers.items()}}
    )
    assert answer.status_code == 201, answer.text
    return str(answer.headers["location"])


def send(client: httpx.Client, path: str, offset: int, data: bytes, **headers: str) -> httpx.Response:
    more = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.patch(path, headers={**PIECE, "Upload-Offset": str(offset), **more}, content=data)


def checksum(data: bytes, name: str = "sha1") -> str:
    return f"{name} {b64encode(hashlib.new(name, data).digest()).decode()}"


def media(client: httpx.Client, media_id: str) -> bytes:
    return client.get(f"/v1/media/{media_id}/content").raise_for_status().content


def test_abilities_are_told_without_a_version(client: httpx.Client) -> None:
    answer = client.options("/v1/uploads")

    assert answer.status_code == 204
    assert answer.headers["tus-version"] == "1.0.0"
    assert answer.headers["tus-max-size"] == str(MAX_BYTES)
    assert answer.headers["tus-checksum-algorithm"] == "sha1,sha256,md5"
    assert set(answer.headers["tus-extension"].split(",")) == {
        "creation", "creation-with-upload", "creation-defer-length", "termination", "checksum", "expiration",
        "concatenation",
    }  # fmt: skip


@pytest.mark.parametrize("headers", [{}, {"Tus-Resumable": "0.2.2"}])
def test_another_version_is_refused_with_ours(client: httpx.Client, headers: dict[str, str]) -> None:
    path = begin(client)

    for method in ("POST", "HEAD", "PATCH", "DELETE"):
        answer = client.request(method, "/v1/uploads" if method == "POST" else path, headers=headers)
        assert (answer.status_code, answer.headers["tus-version"]) == (412, "1.0.0")
        assert answer.headers["tus-resumable"] == "1.0.0"


def test_the_offset_is_told_and_never_cached(client: httpx.Client) -> None:
    metadata = f"filename {b64encode('täst.mp4'.encode()).decode()},filetype {b64encode(b'video/mp4').decode()}"
    path = begin(client, Upload_Metadata=metadata)
    send(client, path, 0, DATA[:100_000])

    answer = client.head(path, headers=TUS)

    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert (answer.headers["upload-offset"], answer.headers["upload-length"]) == ("100000", str(len(DATA)))
    assert answer.headers["upload-metadata"] == metadata
    assert parsedate_to_datetime(answer.headers["upload-expires"]).timestamp() > time.time()
    assert "ballast-media-id" not in answer.headers


def test_the_headers_of_every_answer_are_described(client: httpx.Client, app: FastAPI) -> None:
    general = {"connection", "content-length", "content-type", "date", "server", "vary", "x-request-id"}
    path = begin(client, Upload_Metadata=f"filename {b64encode(b'a').decode()}")
    later = begin(client, None)
    answers = [
        client.options("/v1/uploads"),
        client.post("/v1/uploads", headers={**PIECE, "Upload-Length": str(len(DATA))}, content=DATA),
        client.post("/v1/uploads"),
        client.head(path, headers=TUS),
        client.head(later, headers=TUS),
        send(client, path, 7, DATA),
        send(client, path, 0, DATA),
        client.head(path, headers=TUS),
        client.delete(path, headers=TUS),
        client.delete(path, headers=TUS),
    ]

    for answer in answers:
        operations = app.openapi()["paths"]["/v1/uploads" + "/{upload_id}" * (answer.url.path != "/v1/uploads")]
        response = operations[answer.request.method.lower()]["responses"][str(answer.status_code)]
        assert set(answer.headers) - general <= {name.lower() for name in response["headers"]}, answer.request
    assert [answer.status_code for answer in answers] == [204, 201, 412, 200, 200, 409, 204, 200, 204, 404]


def test_the_last_piece_and_a_later_look_tell_the_item(client: httpx.Client) -> None:
    path = begin(client, Upload_Metadata=f"filename {b64encode(b'../a trip.mp4').decode()}")

    last = send(client, path, 0, DATA)
    look = client.head(path, headers=TUS)

    assert last.status_code == 204
    media_id = last.headers["ballast-media-id"]
    assert look.headers["ballast-media-id"] == media_id
    item = client.get(f"/v1/media/{media_id}").json()
    assert (item["name"], item["sha256"]) == ("a trip.mp4", hashlib.sha256(DATA).hexdigest())
    assert media(client, media_id) == DATA


def test_the_first_bytes_may_come_with_the_creation(client: httpx.Client) -> None:
    headers = {**PIECE, "Upload-Length": str(len(DATA))}

    begun = client.post("/v1/uploads", headers=headers, content=DATA[:1000])
    whole = client.post("/v1/uploads", headers=headers, content=DATA)

    assert (begun.status_code, begun.headers["upload-offset"]) == (201, "1000")
    assert media(client, whole.headers["ballast-media-id"]) == DATA


def test_a_creation_whose_bytes_fail_leaves_nothing(client: httpx.Client, root: Path) -> None:
    before = set((root / "staging").iterdir())

    answer = client.post("/v1/uploads", headers={**PIECE, "Upload-Length": "9000"}, content=b"text" * 2000)

    assert (answer.status_code, answer.headers["tus-resumable"]) == (415, "1.0.0")
    assert set((root / "staging").iterdir()) == before


def test_parts_are_joined_by_their_urls(client: httpx.Client, port: int) -> None:
    paths = [begin(client, size, Upload_Concat="partial") for size in (150_000, 250_000)]
    send(client, paths[0], 0, DATA[:150_000])
    send(client, paths[1], 0, DATA[150_000:])

    concat = f"final;{paths[0]} http://127.0.0.1:{port}{paths[1]}"
    answer = client.post("/v1/uploads", headers={**TUS, "Upload-Concat": concat})
    look = client.head(answer.headers["location"], headers=TUS)

    assert answer.status_code == 201
    assert media(client, answer.headers["ballast-media-id"]) == DATA
    assert look.headers["upload-concat"] == f"final;{paths[0]} {paths[1]}"
    assert look.headers["upload-length"] == str(len(DATA))
    assert client.head(paths[0], headers=TUS).headers["upload-concat"] == "partial"
    assert send(client, answer.headers["location"], len(DATA), b"x").status_code == 403


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"Upload-Length": "0"}, 415, "unsupported_media"),
        ({"Upload-Length": str(MAX_BYTES + 1)}, 413, "payload_too_large"),
        ({}, 400, "bad_request"),
        ({"Upload-Length": "1", "Upload-Metadata": "a ?"}, 400, "bad_request"),
        ({"Upload-Concat": f"final;/v1/uploads/{'0' * 32}"}, 404, "not_found"),
        ({"Upload-Concat": f"final;/v1/uploads/{'0' * 32} /v1/uploads/{'0' * 32}"}, 400, "bad_request"),
        ({"Upload-Concat": f"final;/v1/uploads/{'0' * 32}", "Upload-Length": "1"}, 400, "bad_request"),
    ],
)
def test_bad_creations_are_refused(client: httpx.Client, headers: dict[str, str], status: int, code: str) -> None:
    answer = client.post("/v1/uploads", headers={**TUS, **headers})

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["tus-resumable"] == "1.0.0"


def test_a_piece_is_called_what_it_is(client: httpx.Client) -> None:
    path = begin(client)

    wrong_type = client.patch(path, headers={**TUS, "Upload-Offset": "0", "Content-Type": "video/mp4"}, content=DATA)
    no_offset = client.patch(path, headers=PIECE, content=DATA)
    compressed = send(client, path, 0, DATA, Content_Encoding="gzip")

    assert [answer.status_code for answer in (wrong_type, no_offset, compressed)] == [415, 400, 415]


@pytest.mark.parametrize("upload_id", ["0" * 32, "x", "..%2f..%2flock", "%00"])
def test_an_unknown_upload_is_not_found(client: httpx.Client, upload_id: str) -> None:
    for method in ("HEAD", "DELETE"):
        assert client.request(method, f"/v1/uploads/{upload_id}", headers=TUS).status_code == 404


def test_a_stalled_piece_times_out_and_what_came_is_kept(client: httpx.Client, port: int) -> None:
    path = begin(client)
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        head = "".join(f"{name}: {value}\r\n" for name, value in {**PIECE, "Upload-Offset": "0"}.items())
        request = f"PATCH {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(DATA)}\r\n{head}\r\n"
        connection.sendall(request.encode() + DATA[:123_456])
        status = connection.recv(1000).split()[1]

    assert status == b"408"
    assert client.head(path, headers=TUS).headers["upload-offset"] == "123456"


@dataclass
class Model:
    """What an upload must look like to a client."""

    data: bytes
    length: int | None
    offset: int = 0
    gone: bool = False
    history: list[str] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        return self.length == self.offset


_SIZES = st.sampled_from([0, 1, 100, 4095, 4096, 5000, 9000, 20_000])
_STEPS = st.one_of(
    st.tuples(st.just("send"), _SIZES, st.sampled_from(["", "sha1", "sha256", "md5", "wrong"])),
    st.tuples(st.just("send at another offset"), _SIZES, st.just("")),
    st.tuples(st.just("send too much"), _SIZES, st.just("")),
    st.tuples(st.just("say the length"), _SIZES, st.just("")),
    st.tuples(st.just("cut"), _SIZES, st.just("")),
    st.tuples(st.just("look"), st.just(0), st.just("")),
    st.tuples(st.just("terminate"), st.just(0), st.just("")),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(size=st.integers(24, 30_000), deferred=st.booleans(), steps=st.lists(_STEPS, max_size=12))
def test_random_requests_do_what_the_model_says(
    client: httpx.Client, port: int, size: int, deferred: bool, steps: list[tuple[str, int, str]]
) -> None:
    model = Model(picture(size), None if deferred else size)
    path = begin(client, model.length)

    for name, count, words in [*steps, ("send", size, ""), ("say the length", 0, "")]:
        model.history.append(f"{name} {count} {words}")
        _step(client, port, path, model, name, count, words)
        _look(client, path, model)

    if not model.gone:
        assert model.whole
        assert media(client, client.head(path, headers=TUS).headers["ballast-media-id"]) == model.data


def _step(client: httpx.Client, port: int, path: str, model: Model, name: str, count: int, words: str) -> None:
    at, end = model.offset, min(model.offset + count, len(model.data))
    piece = model.data[at:end]
    if name == "look":
        return
    if name == "terminate":
        assert client.delete(path, headers=TUS).status_code == (404 if model.gone else 204)
        model.gone = True
    elif name == "send":
        status = send(client, path, at, piece, **_checksum_header(piece, words)).status_code
        if model.gone:
            assert status == 404
        elif words == "wrong" and not model.whole:
            assert status == 460
        else:
            assert status == 204
            model.offset = end
    elif name == "send at another offset":
        assert send(client, path, at + 1, piece).status_code == (404 if model.gone else 409)
    elif name == "send too much":
        surplus = bytes(count + (MAX_BYTES if model.length is None else len(model.data)) - at + 1)
        assert send(client, path, at, surplus).status_code in ((404, 413) if model.gone else (413,))
    elif name == "say the length":
        answer = send(client, path, at, b"", Upload_Length=str(len(model.data)))
        assert answer.status_code == (404 if model.gone else 204)
        model.length = len(model.data)
    elif name == "cut" and not model.gone and not model.whole:
        _cut(client, port, path, at, piece)
        model.offset = end


def _checksum_header(piece: bytes, words: str) -> dict[str, str]:
    if not words:
        return {}
    return {"Upload_Checksum": checksum(piece + b"!", "md5") if words == "wrong" else checksum(piece, words)}


def _cut(client: httpx.Client, port: int, path: str, offset: int, piece: bytes) -> None:
    """Send a piece that does not come to its end, and go away when the service has it."""
    headers = {**PIECE, "Upload-Offset": str(offset), "Transfer-Encoding": "chunked"}
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(f"PATCH {path} HTTP/1.1\r\nHost: localhost\r\n{head}\r\n".encode())
        if piece:
            connection.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))
        deadline = time.monotonic() + 5
        while client.get("/metrics/memory").json()["uploads"] != {"active": 1, "bytes": len(piece)}:
            assert time.monotonic() < deadline


def _look(client: httpx.Client, path: str, model: Model) -> None:
    answer = client.head(path, headers=TUS)
    assert answer.status_code == (404 if model.gone else 200), model.history
    if not model.gone:
        assert answer.headers["upload-offset"] == str(model.offset), model.history
        assert ("ballast-media-id" in answer.headers) == model.whole, model.history
        assert answer.headers.get("upload-length") == (None if model.length is None else str(model.length))
