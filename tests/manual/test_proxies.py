"""A service behind the proxies whose configurations stand in deploy/: what must pass, passes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from websockets.sync.client import connect
from websockets.typing import Origin

from tests.e2e.server import RunningServer
from tests.manual.caddy import needs_caddy, run_caddy
from tests.samples import png
from tests.stress.nginx import needs_nginx, run_nginx

PROXIES = [
    pytest.param(run_nginx, id="nginx", marks=needs_nginx),
    pytest.param(run_caddy, id="caddy", marks=needs_caddy),
]


@pytest.fixture(scope="module", params=PROXIES)
def url(
    request: pytest.FixtureRequest, server: RunningServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("proxy") / "files"
    with request.param(folder, [server.port]) as url:
        yield url


def test_a_large_upload_of_the_services_own_page_is_taken(url: str) -> None:
    body = png() + bytes(3_000_000)  # nginx takes 1 MB where nothing else is said

    answer = httpx.post(f"{url}/v1/media?inline=never", content=body, headers={"Origin": url}, timeout=30)

    assert answer.status_code == 201, answer.text
    assert answer.json()["sizeBytes"] == len(body)


def test_another_sites_page_is_still_refused(url: str) -> None:
    answer = httpx.post(f"{url}/v1/media", content=png(), headers={"Origin": "http://evil.example"}, timeout=30)

    assert answer.status_code == 403
    assert answer.json()["code"] == "forbidden"


@pytest.mark.model("hand_landmarker.task")
def test_a_stream_of_frames_opens(url: str) -> None:
    with connect(url.replace("http", "ws", 1) + "/v1/vision/hands/stream", origin=Origin(url)) as stream:
        hello = json.loads(stream.recv(timeout=90))

    assert hello["type"] == "ready"


def test_an_event_comes_when_it_happens(url: str) -> None:
    with httpx.stream("GET", f"{url}/v1/memory/events", timeout=90) as answer:
        first = next(answer.iter_text())

    assert "event: level" in first
