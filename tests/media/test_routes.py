"""`/v1/media` over real connections, with clients that behave and clients that do not."""

from __future__ import annotations

import base64
import contextlib
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from app.http.parts import FRAMING_BYTES
from app.main import create_app
from app.media.schema import ClipAnswer, MediaAnswer, MediaList
from app.settings import MemorySettings, Settings, StorageSettings, UploadSettings
from tests.samples import form, mp4, png
from tests.serving import exchange, read_answer, serve

MAX_BYTES = 4_000_000
INLINE_MAX_BYTES = 100_000
IDLE_SECONDS = 1.5
FORM = "multipart/form-data; boundary=b0undary"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("storage")


@pytest.fixture(scope="module")
def app(root: Path) -> FastAPI:
    return create_app(
        Settings(
            memory=MemorySettings(limit=8 << 30),
            storage=StorageSettings(root=root, free_floor=0, quota=12_000_000),
            upload=UploadSettings(max_bytes=MAX_BYTES, inline_max_bytes=INLINE_MAX_BYTES, idle_seconds=IDLE_SECONDS),
        )
    )


@pytest.fixture(scope="module")
def port(app: FastAPI) -> Iterator[int]:
    with serve(app) as port:
        yield port


@pytest.fixture
def client(port: int, root: Path) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://127.0.0.1:{port}/v1", timeout=30) as client:
        yield client
        deadline = time.monotonic() + 5
        while left_behind(root, seconds=0.1) and time.monotonic() < deadline:  # an upload may just be coming to its end
            for item in client.get("media").json()["items"]:
                assert client.delete(f"media/{item['id']}").status_code == 204
    assert left_behind(root) == []


def left_behind(root: Path, seconds: float = 5) -> list[str]:
    """Return the files of media, finished or not; what a thread is just removing is waited for."""
    deadline = time.monotonic() + seconds
    while found := [path.name for name in ("media", "tmp") for path in (root / name).rglob("*") if path.is_file()]:
        if time.monotonic() > deadline:
            break
        time.sleep(0.01)
    return found


def upload(client: httpx.Client, data: bytes, query: str = "", **headers: str) -> dict[str, Any]:
    answer = client.post("media" + query, content=data, headers=headers)
    assert answer.status_code == 201, answer.text
    document = answer.json()
    assert isinstance(document, dict)
    return document


def request_head(path: str, length: int | None, content_type: str = "video/mp4", **headers: str) -> bytes:
    framing = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    more = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {content_type}\r\n{framing}\r\n{more}\r\n".encode()
    )


def code(body: bytes) -> str:
    return str(json.loads(body)["code"])


def test_a_form_and_a_raw_body_store_the_same(client: httpx.Client) -> None:
    data = mp4(50_000)

    by_form = client.post("media", files={"file": ("trip.mp4", data, "application/octet-stream")})
    by_body = client.post("media?name=trip.mp4", content=data)

    same = ("name", "contentType", "kind", "sizeBytes", "sha256", "buffer")
    assert [by_form.json()[name] for name in same] == [by_body.json()[name] for name in same]
    assert base64.b64decode(by_body.json()["buffer"]) == data
    assert by_form.headers["location"] == f"/v1/media/{by_form.json()['id']}"
    MediaAnswer.model_validate_json(by_form.content)


def test_a_large_file_is_answered_by_reference(client: httpx.Client) -> None:
    answer = upload(client, mp4(INLINE_MAX_BYTES + 1), "?shape=clip")

    ClipAnswer.model_validate(answer)
    assert (answer["clip"]["buffer"], answer["clip"]["largeFile"]) == (None, True)


def test_a_picture_carries_its_size(client: httpx.Client) -> None:
    answer = upload(client, png(31, 17))

    assert (answer["width"], answer["height"], answer["contentType"]) == (31, 17, "image/png")


def test_other_fields_of_a_form_are_passed_over(client: httpx.Client) -> None:
    answer = client.post("media", files={"file": ("a.mp4", mp4(1000))}, data={"project": "x", "notes": "y" * 1000})

    assert answer.status_code == 201


def test_an_item_can_be_read_listed_and_deleted(client: httpx.Client) -> None:
    first = upload(client, mp4(1000), "?name=first")
    second = upload(client, png(), "?name=second")

    page = client.get("media?limit=1").json()
    rest = client.get(f"media?limit=1&cursor={page['nextCursor']}").json()
    pictures = client.get("media?kind=image").json()
    MediaList.model_validate(page)
    assert [item["name"] for item in page["items"] + rest["items"]] == ["second", "first"]
    assert [item["id"] for item in pictures["items"]] == [second["id"]]
    assert rest["nextCursor"] is None

    assert client.get(f"media/{first['id']}").json()["buffer"] is None
    assert base64.b64decode(client.get(f"media/{first['id']}?inline=auto").json()["buffer"]) == mp4(1000)

    assert client.delete(f"media/{first['id']}").status_code == 204
    assert client.delete(f"media/{first['id']}").status_code == 404
    assert client.get(f"media/{first['id']}").status_code == 404
    assert client.get(f"media/{first['id']}/content").status_code == 404


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("?limit=0", 422),
        ("?limit=1000", 422),
        ("?cursor=../etc", 422),
        ("?kind=zip", 422),
        ("/..%2f..%2fetc%2fpasswd", 404),
        ("/v0000", 404),
    ],
)
def test_wrong_parameters_are_problems(client: httpx.Client, path: str, status: int) -> None:
    answer = client.get("media" + path)

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


def test_content_is_served_whole_in_part_and_not_again(client: httpx.Client) -> None:
    data = mp4(300_000)
    url = f"media/{upload(client, data, '?name=F%C3%A4hre.mp4')['id']}/content"

    whole = client.get(url)
    part = client.get(url, headers={"Range": "bytes=1000-1999"})
    known = client.get(url, headers={"If-None-Match": whole.headers["etag"]})
    stale = client.get(url, headers={"Range": "bytes=0-9", "If-Range": '"other"'})
    behind = client.get(url, headers={"Range": "bytes=300000-"})
    several = client.get(url, headers={"Range": "bytes=0-1,5-6"})
    attack = client.get(url, headers={"Range": "bytes=" + ",".join(["0-"] * 1000)})

    assert (whole.status_code, whole.content) == (200, data)
    assert whole.headers["content-type"] == "video/mp4"
    assert whole.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in whole.headers["content-security-policy"]
    assert whole.headers["content-disposition"].startswith("inline; ")
    assert (part.status_code, part.content) == (206, data[1000:2000])
    assert part.headers["content-range"] == "bytes 1000-1999/300000"
    assert (known.status_code, known.content) == (304, b"")
    assert (stale.status_code, len(stale.content)) == (200, 300_000)
    assert (behind.status_code, behind.headers["content-range"]) == (416, "bytes */300000")
    assert (several.status_code, len(several.content)) == (200, 300_000)
    assert attack.status_code == 416


def test_head_answers_the_headers_of_get(client: httpx.Client) -> None:
    url = f"media/{upload(client, mp4(5000))['id']}/content"

    head, get = client.head(url), client.get(url)

    volatile = {"date", "x-request-id"}
    assert head.content == b""
    assert {k: v for k, v in head.headers.items() if k not in volatile} == {
        k: v for k, v in get.headers.items() if k not in volatile
    }


def test_what_is_being_read_is_not_deleted(client: httpx.Client, port: int) -> None:
    item = upload(client, mp4(3_900_000))
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.connect(("127.0.0.1", port))
        slow.sendall(f"GET {item['url']} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        slow.recv(100)

        assert client.delete(f"media/{item['id']}").json()["code"] == "conflict"

    deadline = time.monotonic() + 5
    while client.delete(f"media/{item['id']}").status_code != 204:
        assert time.monotonic() < deadline, "the reader that went away still holds the item"
        time.sleep(0.01)


@pytest.mark.parametrize(
    "data",
    [b"", b"hello", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"PK\x03\x04" + bytes(100), b"%PDF-1.7\n", bytes(99)],
)
@pytest.mark.parametrize("as_form", [True, False])
def test_what_is_no_media_is_unsupported(client: httpx.Client, data: bytes, as_form: bool) -> None:
    answer = (
        client.post("media", files={"file": ("a.png", data, "image/png")})
        if as_form
        else client.post("media", content=data)
    )

    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media")


@pytest.mark.usefixtures("client")
def test_text_is_refused_before_the_rest_is_read(port: int) -> None:
    head = request_head("/v1/media", 3_000_000)

    status, body = exchange(port, head, b"just text " * 500)  # the rest never comes

    assert (status, code(body)) == (415, "unsupported_media")


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate, gzip"])
def test_a_compressed_body_is_unsupported(client: httpx.Client, encoding: str) -> None:
    answer = client.post("media", content=mp4(1000), headers={"Content-Encoding": encoding})

    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media")


@pytest.mark.usefixtures("client")
@pytest.mark.parametrize(
    ("size", "content_type"), [(MAX_BYTES + 1, "video/mp4"), (MAX_BYTES + FRAMING_BYTES + 1, FORM)]
)
def test_an_announced_size_over_the_cap_is_refused_before_a_byte_is_read(
    port: int, size: int, content_type: str
) -> None:
    status, body = exchange(port, request_head("/v1/media", size, content_type))

    assert (status, code(body)) == (413, "payload_too_large")


def test_a_form_may_have_as_much_as_a_raw_body_and_not_more(client: httpx.Client) -> None:
    fits = client.post("media", files={"file": ("a.mp4", mp4(MAX_BYTES))})
    more = client.post("media", files={"file": ("a.mp4", mp4(MAX_BYTES + 1))})

    assert (fits.status_code, more.status_code) == (201, 413)


@pytest.mark.usefixtures("client")
def test_a_chunked_body_over_the_cap_is_refused_while_counting(port: int) -> None:
    chunk = b"186A0\r\n" + mp4(100_000) + b"\r\n"

    status, body = exchange(port, request_head("/v1/media", None), *[chunk] * (MAX_BYTES // 100_000 + 2))

    assert (status, code(body)) == (413, "payload_too_large")


def test_a_chunked_body_of_unknown_length_is_stored(client: httpx.Client) -> None:
    data = mp4(1_000_000)

    answer = client.post("media", content=(data[at : at + 10_000] for at in range(0, len(data), 10_000)))

    assert (answer.status_code, answer.json()["sizeBytes"]) == (201, 1_000_000)


def test_more_than_the_quota_is_storage_full(client: httpx.Client) -> None:
    for _ in range(3):
        upload(client, mp4(3_500_000))

    announced = client.post("media", content=mp4(3_500_000))
    counted = client.post("media", content=iter([mp4(1_600_000)]))

    assert (announced.status_code, announced.json()["code"]) == (507, "storage_full")
    assert (counted.status_code, counted.json()["code"]) == (507, "storage_full")


@pytest.mark.parametrize("length", [2_000_000, None])
def test_a_body_that_stops_coming_times_out_and_leaves_nothing(
    client: httpx.Client, port: int, length: int | None, root: Path
) -> None:
    data = mp4(700_000)
    piece = data if length else b"%x\r\n%b\r\n" % (len(data), data)

    status, body = exchange(port, request_head("/v1/media", length), piece)

    assert (status, code(body)) == (408, "request_timeout")
    assert left_behind(root) == []
    assert client.get("media").json()["items"] == []


def test_a_body_that_drips_times_out_though_it_never_pauses_for_long(
    client: httpx.Client, port: int, root: Path
) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(request_head("/v1/media", 2_000_000) + mp4(30))
        connection.settimeout(IDLE_SECONDS / 8)
        answer = b""
        while not answer:
            connection.sendall(b"x")
            with contextlib.suppress(TimeoutError):
                answer = connection.recv(1)
        connection.settimeout(30)
        status = int((answer + connection.recv(65536)).split(b" ")[1])

    assert status == 408
    assert left_behind(root) == []
    assert client.get("media").json()["items"] == []


@pytest.mark.parametrize("as_form", [True, False])
def test_a_client_that_goes_away_leaves_nothing(client: httpx.Client, port: int, root: Path, as_form: bool) -> None:
    data = form(("file", mp4(2_000_000))) if as_form else mp4(2_000_000)
    head = request_head("/v1/media", len(data), FORM if as_form else "video/mp4")
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(head + data[:1_500_000])

    assert left_behind(root) == []
    assert client.get("media").json()["items"] == []


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (form(("file", mp4(2000)), ("file", mp4(2000))), FORM),
        (form(("picture", mp4(2000))), FORM),
        (form(("file", mp4(600_000)), end=b""), FORM),
        (form(("file", mp4(2000)), boundary=b"another"), FORM),
        (form(("file", mp4(2000))), "multipart/form-data"),
        (form(*[("x", b"")] * 100, ("file", mp4(2000))), FORM),
        (b"--b0undary\r\nX: " + b"y" * 200_000, FORM),
    ],
    ids=["two files", "no file", "no end", "wrong boundary", "no boundary", "many parts", "huge part header"],
)
def test_a_broken_form_is_a_bad_request_and_leaves_nothing(
    client: httpx.Client, body: bytes, content_type: str
) -> None:
    answer = client.post("media", content=body, headers={"Content-Type": content_type})

    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
    assert client.get("media").json()["items"] == []


def test_bytes_beyond_the_announced_length_are_not_part_of_the_file(client: httpx.Client, port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(request_head("/v1/media?inline=never", 1000) + mp4(1000) + b"garbage that was not announced")
        status, _ = read_answer(connection)

    # The server may see the garbage, which is no request, before the answer is out.
    assert status in (201, 400)
    assert {item["sizeBytes"] for item in client.get("media").json()["items"]} <= {1000}


def test_a_name_is_shown_and_never_a_path(client: httpx.Client, root: Path) -> None:
    answer = client.post("media", files={"file": ("../../../evil.mp4", mp4(1000))})

    item = answer.json()
    assert item["name"] == "evil.mp4"
    assert (root / item["path"]).resolve().is_relative_to(root.resolve())
    assert (root / item["path"]).exists()
    assert "filePath" not in item


def test_the_interface_describes_both_forms_and_the_problems(app: FastAPI) -> None:
    operation = app.openapi()["paths"]["/v1/media"]["post"]

    assert set(operation["requestBody"]["content"]) == {"multipart/form-data", "application/octet-stream"}
    assert {"201", "400", "408", "413", "415", "422", "507"} <= set(operation["responses"])
    assert {"inline", "shape", "name"} == {parameter["name"] for parameter in operation["parameters"]}


GENERAL_HEADERS = {"connection", "content-length", "content-type", "date", "server", "vary", "x-request-id"}


def described_headers(app: FastAPI, method: str, path: str, status: int) -> set[str]:
    return {name.lower() for name in app.openapi()["paths"][path][method]["responses"][str(status)].get("headers", {})}


def test_the_headers_of_every_answer_are_described(client: httpx.Client, app: FastAPI) -> None:
    created = client.post("media", content=mp4(1000))
    item, content = f"media/{created.json()['id']}", f"media/{created.json()['id']}/content"
    answers = [
        (created, "/v1/media"),
        *[
            (client.request(method, content, headers=headers), "/v1/media/{media_id}/content")
            for method in ("GET", "HEAD")
            for headers in ({}, {"Range": "bytes=0-9"}, {"Range": "bytes=9000-"}, {"If-None-Match": "*"})
        ],
        (client.get("media/v0000/content"), "/v1/media/{media_id}/content"),
        (client.get(content, headers={"If-Match": '"x"'}), "/v1/media/{media_id}/content"),
        (client.get(item + "?inline=auto"), "/v1/media/{media_id}"),
        (client.delete(item), "/v1/media/{media_id}"),
    ]

    for answer, path in answers:
        sent = set(answer.headers) - GENERAL_HEADERS
        described = described_headers(app, answer.request.method.lower(), path, answer.status_code)
        assert sent <= described, (answer.request.method, path, answer.status_code)
    assert {answer.status_code for answer, _ in answers} == {200, 201, 204, 206, 304, 404, 412, 416}


def test_a_refusal_says_in_the_description_when_to_come_back(app: FastAPI) -> None:
    for method, path in (
        ("post", "/v1/media"),
        ("get", "/v1/media/{media_id}"),
        ("get", "/v1/media/{media_id}/content"),
    ):
        for status in (429, 503):
            assert "retry-after" in described_headers(app, method, path, status)
