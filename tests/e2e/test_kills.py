"""Killed at any moment, the service loses no item that it has answered, and shows none that is not whole."""

from __future__ import annotations

import contextlib
import hashlib
import random
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from tests.e2e.server import RunningServer, run_server
from tests.samples import form

PIECE = {"Tus-Resumable": "1.0.0", "Content-Type": "application/offset+octet-stream"}


SETTINGS = {"UPLOAD__BEGIN_SECONDS": "86400"}
"""An upload of which no byte came before the kill is not to expire in the middle of a long run."""


def picture(size: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + random.randbytes(size - 8)


@dataclass
class Memory:
    """What the clients were told: the digest of each item, those whose deletion was asked for, and of uploads how far
    they came, and of which the last piece was sent."""

    kept: dict[str, str] = field(default_factory=dict)
    leaving: set[str] = field(default_factory=set)
    begun: dict[str, int] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)
    answers: int = 0


class Clients:
    """Upload by form and by tus, and delete, until the service is gone."""

    def __init__(self, server: RunningServer, memory: Memory) -> None:
        self._url = server.url
        self._memory = memory
        works = (self._upload, self._upload, self._resume, self._delete)
        self._threads = [threading.Thread(target=self._run, args=(work,)) for work in works]
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        for thread in self._threads:
            thread.join()

    def _run(self, work: object) -> None:
        assert callable(work)
        with httpx.Client(base_url=self._url, timeout=30) as client, contextlib.suppress(httpx.TransportError):
            while True:
                work(client)
                self._memory.answers += 1

    def _upload(self, client: httpx.Client) -> None:
        data = picture(random.choice((2000, 300_000, 3_000_000)))
        content = form(("file", data))
        headers = {"Content-Type": "multipart/form-data; boundary=b0undary"}
        answer = client.post("/v1/media?inline=never", content=content, headers=headers)
        assert answer.status_code == 201, answer.text
        self._memory.kept[answer.json()["id"]] = hashlib.sha256(data).hexdigest()

    def _resume(self, client: httpx.Client) -> None:
        data = picture(900_000)
        begun = client.post("/v1/uploads", headers={"Tus-Resumable": "1.0.0", "Upload-Length": str(len(data))})
        path = begun.headers["location"]
        self._memory.begun[path] = 0
        answer = None
        for offset in range(0, len(data), 300_000):
            piece = data[offset : offset + 300_000]
            if offset + len(piece) == len(data):
                self._memory.ended.add(path)
            answer = client.patch(path, headers={**PIECE, "Upload-Offset": str(offset)}, content=piece)
            assert answer.status_code == 204, answer.text
            self._memory.begun[path] = offset + len(piece)
        assert answer is not None
        self._memory.kept[answer.headers["ballast-media-id"]] = hashlib.sha256(data).hexdigest()

    def _delete(self, client: httpx.Client) -> None:
        time.sleep(0.02)
        candidates = list(self._memory.kept.keys() - self._memory.leaving)
        if len(candidates) > 3:
            media_id = random.choice(candidates)
            self._memory.leaving.add(media_id)
            assert client.delete(f"/v1/media/{media_id}").status_code == 204
        else:
            client.get("/health/live")  # with nothing to delete, this is how it sees that the service is gone


def check(server: RunningServer, memory: Memory) -> None:
    listed: dict[str, str] = {}
    with server.client() as client:
        for path, offset in memory.begun.items():
            answer = client.head(path, headers={"Tus-Resumable": "1.0.0"})
            if answer.status_code == 404 and path in memory.ended:
                continue  # only the last thousand are remembered; what they became is looked at below
            assert answer.status_code == 200, answer.headers
            assert int(answer.headers["upload-offset"]) >= offset
        cursor = ""
        while cursor is not None:
            page = client.get("/v1/media", params={"limit": 200, **({"cursor": cursor} if cursor else {})}).json()
            listed |= {item["id"]: item["sha256"] for item in page["items"]}
            cursor = page["nextCursor"]
        for media_id, sha256 in listed.items():
            content = client.get(f"/v1/media/{media_id}/content").raise_for_status().content
            assert hashlib.sha256(content).hexdigest() == sha256
    for media_id in memory.kept.keys() - memory.leaving:
        assert listed.get(media_id) == memory.kept[media_id]
    assert list((server.root / "tmp").iterdir()) == []
    objects = {path.stem for path in (server.root / "media").rglob("*") if path.is_file() and path.suffix != ".json"}
    described = {path.stem for path in (server.root / "media").rglob("*.json")}
    assert objects == described == listed.keys()


def run(folder: Path, kills: int) -> None:
    memory = Memory()
    for _ in range(kills):
        with run_server(folder, SETTINGS) as server:
            check(server, memory)
            before = memory.answers
            clients = Clients(server, memory)
            time.sleep(random.uniform(0.05, 1.2))
            server.process.kill()
            server.process.wait()
            clients.join()
            assert memory.answers >= before
    with run_server(folder, SETTINGS) as server:
        check(server, memory)
        server.expect_in_log("lastOom|unfinished")
    assert memory.answers > 0


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_three_kills(tmp_path: Path) -> None:
    run(tmp_path, 3)
