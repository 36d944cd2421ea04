"""The WebVTT track of a sprite where keys are set: a player that has its signed URL gets the pictures that it names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx
import pytest

from tests.e2e.jobs import submit, wait_for
from tests.e2e.server import RunningServer, problem_of, run_server
from tests.ffmpeg.clips import make

pytestmark = pytest.mark.timeout(120)

KEY = "a-key-for-tests"
HEADERS = {"Authorization": f"Bearer {KEY}"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with run_server(tmp_path_factory.mktemp("service"), {"SERVER__API_KEYS": KEY}, secrets=(KEY,)) as running:
        yield running


@pytest.fixture(scope="module")
def track(server: RunningServer, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return the item: its tiles fill more than one sheet."""
    clip = make(tmp_path_factory.mktemp("clip") / "film.mp4", "-f", "lavfi", "-i", "testsrc2=s=160x90:r=25:d=5")
    return made_by(server, clip, {"interval": 0.04, "sprite": True})


def made_by(server: RunningServer, clip: Path, params: dict[str, Any]) -> dict[str, Any]:
    with server.client(headers=HEADERS) as client:
        stored = client.post("/v1/media?inline=never&name=film.mp4", content=clip.read_bytes()).json()
        job = submit(client, stored["id"], "thumbnails", params=params)
        done = wait_for(client, job["id"], "succeeded", seconds=60)
    return next(dict(one) for one in done["result"]["media"] if one["contentType"] == "text/vtt")


def sheets_of(text: str) -> list[str]:
    return sorted({line.partition("#")[0] for line in text.splitlines() if "#xywh=" in line})


def test_every_picture_that_a_cue_names_is_there_for_who_has_only_the_url(
    server: RunningServer, track: dict[str, Any]
) -> None:
    url = server.url + track["url"]

    answer = httpx.get(url)
    sheets = [httpx.get(urljoin(url, address)) for address in sheets_of(answer.text)]

    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/vtt; charset=utf-8")
    assert answer.text.startswith("WEBVTT\n\n")
    assert len(sheets) == 2
    assert {(one.status_code, one.headers["content-type"]) for one in sheets} == {(200, "image/jpeg")}


def test_they_are_good_no_longer_than_the_track_is(server: RunningServer, track: dict[str, Any]) -> None:
    url = server.url + track["url"]

    expires = {parse_qs(urlsplit(address).query)["expires"][0] for address in sheets_of(httpx.get(url).text)}

    assert expires == {parse_qs(urlsplit(url).query)["expires"][0]}


def test_with_a_key_the_track_is_as_it_is_stored(server: RunningServer, track: dict[str, Any]) -> None:
    path = urlsplit(track["url"]).path

    stored = httpx.get(server.url + path, headers=HEADERS)
    signed = httpx.get(server.url + track["url"], headers={"Range": "bytes=0-3"})

    assert len(stored.content) == track["sizeBytes"]
    assert "?" not in stored.text
    assert stored.text == re.sub(r"\?expires=\d+&sig=[\w-]+", "", signed.text)
    assert "etag" not in signed.headers
    head = httpx.head(server.url + track["url"])
    assert "content-length" not in head.headers
    assert (head.status_code, head.headers["cache-control"]) == (200, "private, no-cache")
    problem_of(httpx.get(server.url + path), 401, "unauthorized")
