"""Resumable uploads of the real service: what a client may begin, what of it lasts, and what is left after restarts."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx
import pytest

from tests.e2e.server import RunningServer, eventually, problem_of, run_server
from tests.samples import mp4

TUS = {"Tus-Resumable": "1.0.0"}
PIECE = {**TUS, "Content-Type": "application/offset+octet-stream"}
DATA = mp4(300_000)


def begin(client: httpx.Client, length: int = len(DATA), **headers: str) -> httpx.Response:
    words = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.post("/v1/uploads", headers={**TUS, "Upload-Length": str(length), **words})


def begun(client: httpx.Client, length: int = len(DATA), **headers: str) -> str:
    answer = begin(client, length, **headers)
    assert answer.status_code == 201, answer.text
    return str(answer.headers["location"])


def send(client: httpx.Client, path: str, data: bytes, offset: int = 0) -> httpx.Response:
    return client.patch(path, headers={**PIECE, "Upload-Offset": str(offset)}, content=data)


def known_bytes(server: RunningServer) -> int:
    """Return what the ledger of memory has for the uploads that are known."""
    holders = server.memory()["budget"]["holders"]
    return sum(int(holder["reservedBytes"]) for holder in holders if holder["owner"] == "resumable")


def test_creations_alone_take_no_room_from_others(tmp_path: Path) -> None:
    with run_server(tmp_path, {"STORAGE__QUOTA": "1M"}) as server, server.client() as client:
        for _ in range(30):
            begun(client, 900_000)

        stored = client.post("/v1/media?inline=never", content=mp4(900_000))
        refused = begin(client, 900_000)

    assert stored.status_code == 201
    problem = problem_of(refused, 507, "storage_full")
    assert problem["neededBytes"] == 900_000


def test_a_client_takes_its_share_of_the_places_also_after_a_restart(tmp_path: Path) -> None:
    settings = {"UPLOAD__MAX_RESUMABLE": "8"}
    with run_server(tmp_path, settings) as server, server.client() as client:
        paths = [begun(client) for _ in range(2)]
        problem_of(begin(client), 429, "queue_full")
        assert client.delete(paths[0], headers=TUS).status_code == 204
        begun(client)
        server.process.kill()
        server.process.wait()

    with run_server(tmp_path, settings) as server, server.client() as client:
        server.expect_in_log("lastOom")
        problem_of(begin(client), 429, "queue_full")
        assert known_bytes(server) > 0
        assert send(client, paths[1], DATA).status_code == 204
        begun(client)


def test_an_upload_of_which_nothing_comes_goes_soon_and_says_so(tmp_path: Path) -> None:
    with run_server(tmp_path, {"UPLOAD__BEGIN_SECONDS": "2"}) as server, server.client() as client:
        answer = begin(client)
        other = begun(client)
        sent = send(client, other, DATA[:1])
        lifetimes = [
            (parsedate_to_datetime(one.headers["upload-expires"]) - datetime.now(UTC)).total_seconds()
            for one in (answer, sent)
        ]
        eventually(lambda: client.head(answer.headers["location"], headers=TUS).status_code == 404)

        assert client.head(other, headers=TUS).headers["upload-offset"] == "1"
    assert lifetimes[0] <= 2
    assert lifetimes[1] > 86_000


def test_parts_are_joined_once_whoever_asks_again_and_after_a_restart(tmp_path: Path) -> None:
    with run_server(tmp_path) as server, server.client() as client:
        paths = [begun(client, 150_000, Upload_Concat="partial") for _ in range(2)]
        for number, path in enumerate(paths):
            assert send(client, path, DATA[number * 150_000 :][:150_000]).status_code == 204
        urls = " ".join(f"{server.url}{path}" for path in paths)
        concat = {**TUS, "Upload-Concat": f"final;{urls}"}
        twice = client.post("/v1/uploads", headers={**TUS, "Upload-Concat": f"final;{paths[0]} {server.url}{paths[0]}"})
        first, second = [client.post("/v1/uploads", headers=concat) for _ in range(2)]
        known = known_bytes(server)
        for _ in range(50):
            client.post("/v1/uploads", headers=concat)
        assert known_bytes(server) == known

    with run_server(tmp_path) as server, server.client() as client:
        again = client.post("/v1/uploads", headers=concat)
        other_order = client.post("/v1/uploads", headers={**TUS, "Upload-Concat": f"final;{paths[1]} {paths[0]}"})
        look = client.head(first.headers["location"], headers=TUS)
        items = client.get("/v1/media").json()["items"]
        content = client.get(f"/v1/media/{look.headers['ballast-media-id']}/content").content

    problem_of(twice, 400, "bad_request")
    problem_of(other_order, 409, "conflict")
    assert {answer.headers["location"] for answer in (first, second, again)} == {first.headers["location"]}
    assert look.headers["upload-concat"] == f"final;{paths[0]} {paths[1]}"
    assert (len(items), content) == (1, DATA)


@pytest.mark.parametrize("count", [129, 400])
def test_too_many_parts_are_refused(tmp_path: Path, count: int) -> None:
    with run_server(tmp_path) as server, server.client() as client:
        names = " ".join(f"/v1/uploads/{number:032x}" for number in range(count))

        problem_of(client.post("/v1/uploads", headers={**TUS, "Upload-Concat": f"final;{names}"}), 400, "bad_request")


def test_where_only_post_comes_through_a_header_says_the_method(tmp_path: Path) -> None:
    with run_server(tmp_path) as server, server.client() as client:
        path, other = begun(client), begun(client)

        def posted(where: str, method: str, **more: str) -> httpx.Response:
            headers = {**TUS, "X-HTTP-Method-Override": method, **{n.replace("_", "-"): v for n, v in more.items()}}
            content = DATA if method == "PATCH" else b""
            return client.post(where, headers=headers, content=content)

        sent = posted(path, "PATCH", Content_Type=PIECE["Content-Type"], Upload_Offset="0")
        looked = posted(path, "head")
        ended = posted(other, "DELETE")
        elsewhere = posted(f"/v1/media/{sent.headers['ballast-media-id']}", "DELETE")
        stored = client.get(f"/v1/media/{sent.headers['ballast-media-id']}")

    assert (sent.status_code, looked.status_code, ended.status_code) == (204, 200, 204)
    assert looked.headers["upload-offset"] == str(len(DATA))
    assert elsewhere.status_code == 405
    assert stored.json()["sizeBytes"] == len(DATA)
