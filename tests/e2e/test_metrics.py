"""Metrics of the real service: complete from the start, bounded, and right after everything that can happen."""

from __future__ import annotations

import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample
from websockets.sync.client import connect

from tests.e2e.server import RunningServer, eventually, run_server
from tests.samples import png
from tests.serving import read_answer

SERIES_MAX, VALUES_MAX = 2750, 60
"""Bounds: of all series, and of the values that one label of one metric has."""

SETTINGS = {"SERVER__MAX_CONNECTIONS": "8", "SERVER__PROBE_PORT": "0", "STORAGE__QUOTA": "100K", "LOG__ACCESS": "true"}


def scrape(server: RunningServer) -> list[Sample]:
    """Return what the probe port tells: there is always room for it."""
    answer = httpx.get(f"http://127.0.0.1:{server.probe_port}/metrics")
    assert answer.status_code == 200
    return [sample for family in text_string_to_metric_families(answer.text) for sample in family.samples]


def names(samples: list[Sample]) -> set[tuple[str, tuple[tuple[str, str], ...]]]:
    return {(sample.name, tuple(sorted(sample.labels.items()))) for sample in samples}


def value(samples: list[Sample], name: str, **labels: str) -> float:
    """Return the sum over what has these labels."""
    found = [s.value for s in samples if s.name == f"ballast_{name}" and labels.items() <= s.labels.items()]
    assert found, (name, labels)
    return sum(found)


class Story:
    """What was told before and after everything happened."""

    def __init__(self, server: RunningServer) -> None:
        self.server = server
        self.before = scrape(server)
        _let_everything_happen(server)
        eventually(lambda: value(scrape(server), "connections", state="request") == 1)  # the scrape itself
        self.after = scrape(server)

    def grown(self, name: str, **labels: str) -> float:
        return value(self.after, name, **labels) - value(self.before, name, **labels)


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    with run_server(tmp_path_factory.mktemp("metrics"), SETTINGS) as server:
        yield Story(server)


def _let_everything_happen(server: RunningServer) -> None:
    """Cause answers of every class, a stream, and connections that have no slot."""
    as_png = {"Content-Type": "image/png"}
    with server.client() as client:
        url = client.post("/v1/media", content=png(), headers=as_png).json()["url"]
        statuses = {
            client.get(url, headers={"Range": "bytes=0-9"}).status_code,
            client.get(url, headers={"Range": "bytes=900000-"}).status_code,
            client.get("/v1/media/nothing").status_code,
            client.get("/nowhere/%7Bat%7D/all").status_code,
            client.patch("/v1/media").status_code,
            client.post("/v1/media", content=b"words", headers={"Content-Type": "text/plain"}).status_code,
            client.post("/v1/media?inline=perhaps", content=png(), headers=as_png).status_code,
            client.post("/v1/media", content=png() + bytes(200_000), headers=as_png).status_code,
            client.post("/v1/media", content=png(), headers={"Origin": "http://evil.example"}).status_code,
            client.get("/v1/vision").status_code,
        }
        assert statuses == {200, 206, 403, 404, 405, 415, 416, 422, 507}
    with connect(f"{server.websocket_url}/v1/vision/hands/stream", close_timeout=1) as stream:
        stream.recv(timeout=10)
        stream.send('{"type": "ping"}')
        stream.recv(timeout=10)
    many = [server.connect() for _ in range(10)]
    many[-1].sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert read_answer(many[-1])[0] == 503
    for connection in many:
        connection.close()


def test_no_series_appears_with_its_first_event_and_none_goes(story: Story) -> None:
    assert names(story.after) == names(story.before)


def test_series_and_the_values_of_a_label_are_bounded(story: Story) -> None:
    values = Counter(
        (metric, label)
        for metric, label, _ in {(s.name, key, word) for s in story.after for key, word in s.labels.items()}
    )

    assert len(story.after) <= SERIES_MAX
    assert {key: count for key, count in values.items() if count > VALUES_MAX} == {}


def test_requests_are_counted_by_what_they_were(story: Story) -> None:
    grown = {
        (route, method, status): story.grown("http_requests_total", route=route, method=method, status=status)
        for route, method, status in (
            ("/v1/media", "POST", "201"),
            ("/v1/media", "POST", "415"),
            ("/v1/media", "POST", "507"),
            ("/v1/media/{media_id}/content", "GET", "206"),
            ("/v1/media/{media_id}", "GET", "404"),
            ("other", "other", "404"),
            ("other", "other", "403"),  # refused at the door, before any route
            ("/v1/vision/{task}/stream", "GET", "101"),
        )
    }

    assert set(grown.values()) == {1.0}, grown
    assert story.grown("http_request_seconds_count", route="/v1/media", method="POST") == 4


def test_bytes_uploads_streams_and_connections_are_counted(story: Story) -> None:
    assert story.grown("http_received_bytes_total") > 2 * len(png())
    assert story.grown("http_sent_bytes_total") > 1000
    assert story.grown("uploads_total") >= 1
    assert story.grown("upload_received_bytes_total") >= len(png())
    assert (story.grown("streams_opened_total"), value(story.after, "streams_active")) == (1, 0)
    assert story.grown("connections_accepted_total") >= 12
    assert story.grown("connections_refused_total", reason="cap") >= 2


def test_the_disk_and_the_build_are_told(story: Story) -> None:
    assert value(story.after, "build_info") == 1
    assert value(story.after, "ready") == 1
    assert 0 < value(story.after, "disk_free_bytes") <= value(story.after, "disk_capacity_bytes")
    assert value(story.after, "storage_quota_bytes") == 100 * 1024


def test_refusals_are_in_the_log_with_their_reason(story: Story) -> None:
    lines = story.server.log_lines()

    full = [line for line in lines if line.get("code") == "storage_full"]
    assert full
    assert all(line["level"] == "warning" and line["requestId"] for line in full)
    assert any(line["message"] == "a connection has no slot: cap" for line in lines)


def test_the_access_log_has_a_line_for_each_request(story: Story) -> None:
    lines = [line for line in story.server.log_lines() if line["logger"] == "ballast.access"]

    (stored,) = [line for line in lines if line["message"] == "POST /v1/media 201"]
    assert stored["receivedBytes"] == len(png())
    assert stored["sentBytes"] > 0
    assert stored["requestId"]
    assert {line["status"] for line in lines} >= {101, 201, 206, 403, 404, 405, 415, 416, 422, 507}


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool (Debian: prometheus) is not installed")
def test_promtool_finds_nothing_to_complain_of(story: Story) -> None:
    text = httpx.get(f"http://127.0.0.1:{story.server.probe_port}/metrics").text

    checked = subprocess.run(
        ["promtool", "check", "metrics"], input=text, text=True, capture_output=True, timeout=60, check=False
    )

    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
