"""Media over HTTP against the real service: up, down, in parts, listed, deleted; and nothing of what was broken off."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.media.schema import ClipAnswer, MediaAnswer, MediaList
from tests.e2e.server import RunningServer, eventually, problem_of, run_server
from tests.samples import form, mp4, png
from tests.serving import exchange

INLINE_MAX_BYTES = 50_000
MAX_BYTES = 2_000_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    settings = {
        "UPLOAD__INLINE_MAX_BYTES": str(INLINE_MAX_BYTES), "UPLOAD__MAX_BYTES": str(MAX_BYTES), "STORAGE__QUOTA": "9M",
    }  # fmt: skip
    with run_server(tmp_path_factory.mktemp("media"), settings) as server:
        yield server


@pytest.fixture
def client(server: RunningServer) -> Iterator[httpx.Client]:
    with server.client() as client:
        yield client
        for item in client.get("/v1/media?limit=200").json()["items"]:
            assert client.delete(f"/v1/media/{item['id']}").status_code == 204
    eventually(lambda: stored_files(server) == [])


def stored_files(server: RunningServer) -> list[Path]:
    return [path for folder in ("media", "tmp") for path in (server.root / folder).rglob("*") if path.is_file()]


def upload(client: httpx.Client, data: bytes, query: str = "") -> dict[str, Any]:
    answer = client.post(f"/v1/media{query}", content=data)
    assert answer.status_code == 201, answer.text
    document: dict[str, Any] = answer.json()
    return document


@pytest.mark.parametrize(("size", "large"), [(INLINE_MAX_BYTES, False), (INLINE_MAX_BYTES + 1, True)])
def test_small_files_come_back_in_the_answer_and_large_ones_by_reference(
    client: httpx.Client, size: int, large: bool
) -> None:
    data = mp4(size)

    answer = client.post("/v1/media", files={"file": ("clip.mp4", data, "video/mp4")})

    item = MediaAnswer.model_validate_json(answer.content)
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/v1/media/{item.id}"
    assert (item.large_file, item.size_bytes, item.sha256) == (large, size, hashlib.sha256(data).hexdigest())
    assert (item.name, item.kind, item.content_type) == ("clip.mp4", "video", "video/mp4")
    assert item.buffer is None if large else base64.b64decode(item.buffer or "") == data
    assert client.get(item.url).content == data


def test_the_shape_that_the_editor_reads(client: httpx.Client) -> None:
    answer = client.post("/v1/media?shape=clip&name=a.png", content=png())

    clip = ClipAnswer.model_validate_json(answer.content).clip
    assert (clip.name, clip.kind, clip.width, clip.height) == ("a.png", "image", 3, 2)
    assert base64.b64decode(clip.buffer or "") == png()


def test_the_bytes_can_be_left_out(client: httpx.Client) -> None:
    item = upload(client, png(), "?inline=never")

    again = client.get(f"/v1/media/{item['id']}?inline=auto").json()

    assert item["buffer"] is None
    assert base64.b64decode(again["buffer"]) == png()


def test_content_in_full_in_part_and_not_again(client: httpx.Client) -> None:
    data = mp4(100_000)
    item = upload(client, data)

    whole = client.get(item["url"])
    part = client.get(item["url"], headers={"Range": "bytes=10-19"})
    tail = client.get(item["url"], headers={"Range": "bytes=-7"})
    same = client.get(item["url"], headers={"If-None-Match": whole.headers["etag"]})
    changed = client.get(item["url"], headers={"Range": "bytes=10-19", "If-Range": '"other"'})
    unchanged = client.get(item["url"], headers={"Range": "bytes=10-19", "If-Range": whole.headers["etag"]})
    head = client.head(item["url"])

    assert (whole.status_code, whole.content) == (200, data)
    assert whole.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in whole.headers["content-security-policy"]
    assert whole.headers["content-disposition"].startswith("inline")
    assert (part.status_code, part.content) == (206, data[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{len(data)}"
    assert (tail.status_code, tail.content) == (206, data[-7:])
    assert (same.status_code, same.content) == (304, b"")
    assert (changed.status_code, changed.content) == (200, data)
    assert (unchanged.status_code, unchanged.content) == (206, data[10:20])
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(len(data)))
    assert head.headers["etag"] == whole.headers["etag"]


@pytest.mark.parametrize("wanted", ["bytes=5000-", "bytes=-0", "bytes=" + ",".join(["0-1"] * 100)])
def test_a_range_outside_is_not_satisfiable(client: httpx.Client, wanted: str) -> None:
    item = upload(client, mp4(5000))

    answer = client.get(item["url"], headers={"Range": wanted})

    problem_of(answer, 416, "range_not_satisfiable")
    assert answer.headers["content-range"] == "bytes */5000"


def test_an_item_can_be_deleted_as_soon_as_its_answer_is_read(client: httpx.Client) -> None:
    for _ in range(30):
        item = upload(client, png())
        client.get(item["url"])

        assert client.delete(f"/v1/media/{item['id']}").status_code == 204


def test_what_is_deleted_is_gone(client: httpx.Client) -> None:
    item = upload(client, png())

    deleted = client.delete(f"/v1/media/{item['id']}")

    assert (deleted.status_code, deleted.content) == (204, b"")
    for path in (f"/v1/media/{item['id']}", item["url"]):
        problem_of(client.get(path), 404, "not_found")
    problem_of(client.delete(f"/v1/media/{item['id']}"), 404, "not_found")


def test_pages_hold_every_item_once_newest_first(client: httpx.Client) -> None:
    ids = [upload(client, png() if number % 2 else mp4(100))["id"] for number in range(7)]

    seen, cursor = [], ""
    while True:
        page = MediaList.model_validate_json(client.get(f"/v1/media?limit=3{cursor}").content)
        seen += [item.id for item in page.items]
        if page.next_cursor is None:
            break
        cursor = f"&cursor={page.next_cursor}"
    images = MediaList.model_validate_json(client.get("/v1/media?kind=image").content)

    assert seen == ids[::-1]
    assert [item.id for item in images.items] == ids[1::2][::-1]
    keys = [client.get(f"/v1/media/{one}").json()["timestampKey"] for one in ids]
    assert keys == sorted(keys)


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=201", "limit=x", "cursor=x", "cursor=../..", "kind=virus", "cursor=" + "0" * 65]
)
def test_a_wrong_page_is_a_problem(client: httpx.Client, query: str) -> None:
    problem_of(client.get(f"/v1/media?{query}"), 422, "invalid_parameter")


@pytest.mark.parametrize("query", ["inline=maybe", "shape=cube", "name=" + "x" * 1025])
def test_a_wrong_upload_parameter_is_a_problem(client: httpx.Client, query: str) -> None:
    problem_of(client.post(f"/v1/media?{query}", content=png()), 422, "invalid_parameter")


@pytest.mark.parametrize(
    "media_id",
    [
        "..", "../../lock", "%2e%2e%2f%2e%2e%2flock", "..%2F..%2Flock", "/etc/passwd", "%2Fetc%2Fpasswd", "i" * 22,
        "v" + "0" * 21, "%00", "i%0a", "%C3%A9", "%ff", "é", "a" * 3000,
    ],
)  # fmt: skip
def test_no_id_leads_out_of_the_store(server: RunningServer, media_id: str) -> None:
    for suffix in ("", "/content"):
        status, body = exchange(
            server.port, f"GET /v1/media/{media_id}{suffix} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
        )

        assert status in (400, 404)
        assert b"root:" not in body


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../etc/passwd", "passwd"), ("C:\\temp\\a.png", "a.png"), ("\x00\x1b[31m.png", "[31m.png"),
        ("", "image.png"), ("..", "image.png"), ("a\r\nSet-Cookie: x=1.png", None),
        ("нет.png", "нет.png"), ("x" * 1000 + ".png", None),
    ],
)  # fmt: skip
def test_a_name_is_shown_and_never_a_path(client: httpx.Client, name: str, shown: str | None) -> None:
    item = client.post("/v1/media", params={"name": name}, content=png()).json()

    content = client.get(item["url"])
    assert shown is None or item["name"] == shown
    assert len(item["name"]) <= 200
    assert "/" not in item["name"]
    assert "set-cookie" not in content.headers
    assert content.headers["content-disposition"].startswith('inline; filename="')
    assert item["path"].startswith("media/image/")


def test_a_polyglot_is_served_as_what_its_bytes_are(client: httpx.Client) -> None:
    item = client.post(
        "/v1/media?name=a.html", content=png() + b"<script>1</script>", headers={"Content-Type": "text/html"}
    )

    content = client.get(item.json()["url"])

    assert content.headers["content-type"] == "image/png"
    assert content.headers["x-content-type-options"] == "nosniff"


def test_an_upload_in_chunks_of_unknown_length(client: httpx.Client) -> None:
    data = mp4(300_001)

    answer = client.post("/v1/media", content=(data[at : at + 7000] for at in range(0, len(data), 7000)))

    assert answer.json()["sha256"] == hashlib.sha256(data).hexdigest()


def test_more_than_the_cap_is_too_large(client: httpx.Client) -> None:
    data = mp4(MAX_BYTES + 1)

    for answer in (
        client.post("/v1/media", content=data),
        client.post("/v1/media", content=iter([data[:1_000_000], data[1_000_000:]])),
        client.post("/v1/media", files={"file": ("a.mp4", data)}),
    ):
        problem_of(answer, 413, "payload_too_large")


def test_more_than_the_quota_is_full_and_a_delete_makes_room(client: httpx.Client) -> None:
    ids = [upload(client, mp4(MAX_BYTES), "?inline=never")["id"] for _ in range(4)]

    refused = client.post("/v1/media", content=mp4(MAX_BYTES))
    client.delete(f"/v1/media/{ids[0]}")
    accepted = client.post("/v1/media", content=mp4(MAX_BYTES))

    problem = problem_of(refused, 507, "storage_full")
    assert problem["neededBytes"] > problem["freeBytes"]
    assert accepted.status_code == 201


@pytest.mark.parametrize("data", [b"", b"text", b"PK\x03\x04", b"#EXTM3U\n", b"ffconcat version 1.0\n", b"<svg/>"])
def test_other_types_are_unsupported(client: httpx.Client, data: bytes) -> None:
    problem_of(client.post("/v1/media", content=data), 415, "unsupported_media")
    body = form(("file", data))
    headers = {"Content-Type": "multipart/form-data; boundary=b0undary"}
    problem_of(client.post("/v1/media", content=body, headers=headers), 415, "unsupported_media")


def test_an_upload_that_breaks_off_is_never_visible(client: httpx.Client, server: RunningServer) -> None:
    data = mp4(1_000_000)
    with server.connect() as connection:
        connection.sendall(
            b"POST /v1/media HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n" + data[:700_000]
        )
        during = eventually(lambda: now if (now := server.memory())["tempFiles"]["count"] else None)
        listed = client.get("/v1/media").json()["items"]

    assert during is not None
    assert during["uploads"]["active"] == 1
    assert during["tempFiles"]["bySource"]["upload"]["count"] == 1
    assert listed == []
    eventually(lambda: server.memory()["tempFiles"]["count"] == 0)
    eventually(lambda: stored_files(server) == [])


def test_items_and_nothing_else_are_there_after_kill_9(tmp_path: Path) -> None:
    with run_server(tmp_path) as server, server.client() as client:
        kept = upload(client, mp4(200_000))
        with server.connect() as connection:
            connection.sendall(
                b"POST /v1/media HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n" + mp4(600_000)
            )
            eventually(lambda: server.memory()["tempFiles"]["count"])
            server.process.kill()
            server.process.wait()

    with run_server(tmp_path) as server, server.client() as client:
        items = client.get("/v1/media").json()["items"]
        content = client.get(kept["url"])
        left = list((server.root / "tmp").iterdir())

    assert [item["id"] for item in items] == [kept["id"]]
    assert content.content == mp4(200_000)
    assert left == []
