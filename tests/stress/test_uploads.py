"""Uploads in a group of 300 MiB: one that is far larger than it, and many at a time. And one to S3 that is cut."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import secrets
import socket
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import httpx
import pytest

from app.domain.units import GIB, MIB
from benchmarks.usage import peak_bytes, reset_peak
from tests.e2e.proxy import cutting_proxy
from tests.e2e.server import RunningServer, run_server
from tests.e2e.test_tus_client import item_of, modules, upload  # noqa: F401 - one is a fixture
from tests.samples import mp4
from tests.serving import read_answer
from tests.storage.s3_server import S3Server
from tests.stress.running import Stand, Subject

BLOCK = random.Random(5).randbytes(MIB)
HEAD = b"\x89PNG\r\n\x1a\n"
BOUNDARY = b"----WebKitFormBoundary7MA4YWxkTrZu0gW1"
SETTINGS = {"BALLAST_MEMORY__WAIT_SECONDS": "3"}


def send(port: int, mebibytes: int) -> tuple[int, bytes]:
    """Upload a file by form and return the status and the body of the answer."""
    part = b'Content-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'
    before, after = b"--" + BOUNDARY + b"\r\n" + part, b"\r\n--" + BOUNDARY + b"--\r\n"
    length = len(before) + mebibytes * MIB + len(after)
    request = (
        b"POST /v1/media?inline=never HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n"
        b"Content-Type: multipart/form-data; boundary=%b\r\n\r\n" % (length, BOUNDARY)
    )
    with socket.create_connection(("127.0.0.1", port), timeout=120) as connection:
        with suppress(ConnectionError):  # refused: the answer is there
            connection.sendall(request + before + HEAD + BLOCK[len(HEAD) :])
            for _ in range(mebibytes - 1):
                connection.sendall(BLOCK)
            connection.sendall(after)
        return read_answer(connection)


async def look(subject: Subject, done: asyncio.Event) -> list[float]:
    """Ask for /health/live again and again; return how long each answer took."""
    seconds = []
    with closing(subject.connect()) as client:
        while not done.is_set():
            began = time.perf_counter()
            assert (await client.get("/health/live")).status == 200
            seconds.append(time.perf_counter() - began)
            await asyncio.sleep(0.02)
    return seconds


@pytest.mark.stress
@pytest.mark.timeout(300)
@pytest.mark.parametrize("mebibytes", [10, 1024, 4 * GIB // MIB])
async def test_one_upload_takes_no_memory(
    stand: Stand, mebibytes: int, record_property: Callable[[str, object], None]
) -> None:
    async with stand.serve() as subject:
        await asyncio.to_thread(send, subject.service.port, 8)
        await asyncio.sleep(1)
        before, done = reset_peak(subject.service.pid), asyncio.Event()
        looking = asyncio.create_task(look(subject, done))

        began = time.perf_counter()
        status, body = await asyncio.to_thread(send, subject.service.port, mebibytes)
        seconds = time.perf_counter() - began
        done.set()
        health = sorted(await looking)
        growth = peak_bytes(subject.service.pid) - before
        report = await subject.memory()

    p99_ms = health[int(0.99 * (len(health) - 1))] * 1000
    record_property("megabytes a second", mebibytes * MIB / seconds / 1e6)
    record_property("growth in MB", growth / 1e6)
    record_property("health in ms: median, p99, max", (statistics.median(health) * 1000, p99_ms, health[-1] * 1000))
    assert (status, json.loads(body)["sizeBytes"]) == (201, mebibytes * MIB)
    assert growth <= 8_000_000
    assert report["oomKills"] == 0


@pytest.mark.stress
@pytest.mark.timeout(600)
async def test_fifty_uploads_at_a_time_all_come_to_their_end(
    stand: Stand, record_property: Callable[[str, object], None]
) -> None:
    answers = Counter[int]()

    def upload(port: int) -> None:
        while True:
            status, body = send(port, 100)
            answers[status] += 1
            if status == 201:
                return
            assert status == 503, body
            time.sleep(1 + random.random())

    async with stand.serve(SETTINGS) as subject:
        began = time.perf_counter()
        with ThreadPoolExecutor(50) as threads:
            loop = asyncio.get_running_loop()
            await asyncio.gather(*(loop.run_in_executor(threads, upload, subject.service.port) for _ in range(50)))
        report = await subject.memory()
        record_property("seconds", time.perf_counter() - began)
        record_property("answers", dict(answers))

    assert answers[201] == 50
    assert report["oomKills"] == 0


def digest_of_content(server: RunningServer, media_id: str) -> str:
    sha256 = hashlib.sha256()
    with httpx.stream("GET", f"{server.url}/v1/media/{media_id}/content", timeout=60) as answer:
        for chunk in answer.raise_for_status().iter_bytes():
            sha256.update(chunk)
    return sha256.hexdigest()


@pytest.mark.stress
@pytest.mark.timeout(300)
def test_200_megabytes_reach_s3_over_five_cuts_and_a_kill(folder: Path, modules: Path, s3: S3Server) -> None:  # noqa: F811
    path = folder / "video.mp4"
    data = mp4(200 * MIB)
    path.write_bytes(data)
    prefix = f"stress/{secrets.token_hex(6)}"
    settings = {name.removeprefix("BALLAST_"): value for name, value in s3.environment(prefix).items()}
    killed = threading.Event()

    with ExitStack() as stack:
        server = stack.enter_context(run_server(folder, settings))
        proxy = stack.enter_context(cutting_proxy(server.port))

        def kill() -> None:
            server.process.kill()
            server.process.wait()
            killed.set()

        cuts = [(mebibytes * MIB, lambda: None) for mebibytes in (20, 50, 120, 150, 180)]
        proxy.marks = sorted([*cuts, (90 * MIB, kill)], key=lambda mark: mark[0])
        client = upload(modules, proxy.port, path)
        stack.callback(client.kill)
        assert killed.wait(60)
        server = stack.enter_context(run_server(folder, settings))
        proxy.target_port = server.port
        item = item_of(server, client)

        assert proxy.cuts == 6
        assert item["sha256"] == hashlib.sha256(data).hexdigest() == digest_of_content(server, item["id"])
        assert [one["id"] for one in httpx.get(f"{server.url}/v1/media").json()["items"]] == [item["id"]]
    assert [name for name in s3.files() if ".uploads" in name] == []
