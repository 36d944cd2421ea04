"""What was found before in the same picture is answered again, unless the client wants a new look."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.e2e.pictures import thumb, turned_thumb
from tests.e2e.server import RunningServer, run_server

pytestmark = [pytest.mark.model, pytest.mark.photo]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with run_server(tmp_path_factory.mktemp("remembered"), {"VISION__WORKERS": "1"}) as server:
        yield server


@pytest.fixture
def client(server: RunningServer) -> Iterator[httpx.Client]:
    with server.client() as client:
        yield client


def hits(client: httpx.Client) -> int:
    found: int = client.get("/metrics/memory").json()["cache"]["hits"]
    return found


def test_the_second_answer_for_a_picture_comes_from_the_cache(client: httpx.Client) -> None:
    first = client.post("/v1/vision/gestures", content=thumb())
    before = hits(client)

    second = client.post("/v1/vision/gestures", content=thumb())

    assert (first.status_code, second.status_code) == (200, 200)
    assert "cached" not in first.json()
    assert second.json()["cached"] is True
    assert second.json()["detections"] == first.json()["detections"]
    assert second.headers["ballast-memory"] == first.headers["ballast-memory"]
    assert second.json()["timing"] == {**first.json()["timing"], "queuedSeconds": 0}
    assert hits(client) == before + 1


def test_cache_false_has_it_looked_at_again(client: httpx.Client) -> None:
    client.post("/v1/vision/hands", content=thumb())
    before = hits(client)

    again = client.post("/v1/vision/hands?cache=false", content=thumb()).json()

    assert "cached" not in again
    assert again["timing"]["inferenceSeconds"] > 0
    assert hits(client) == before


@pytest.mark.parametrize(
    ("path", "turned"),
    [
        ("/v1/vision/hands?maxHands=1", False),
        ("/v1/vision/gestures", True),
        ("/v1/vision/gestures?minConfidence=0.4", False),
    ],
    ids=["other parameters", "another picture", "another confidence"],
)
def test_only_the_same_question_is_answered_again(client: httpx.Client, path: str, turned: bool) -> None:
    client.post("/v1/vision/hands", content=thumb())
    client.post("/v1/vision/gestures", content=thumb())

    answer = client.post(path, content=turned_thumb(6) if turned else thumb())

    assert "cached" not in answer.json()


def test_a_drawn_picture_is_drawn_each_time(client: httpx.Client) -> None:
    client.post("/v1/vision/hands", content=thumb())
    before = hits(client)

    drawn = client.post("/v1/vision/hands?annotate=true", content=thumb())

    assert drawn.headers["content-type"] == "image/jpeg"
    assert hits(client) == before


def test_a_batch_uses_the_cache_too_and_can_do_without(client: httpx.Client) -> None:
    client.post("/v1/vision/hands", content=thumb())
    files = [("file", ("one.jpg", thumb(), "image/jpeg")), ("file", ("two.jpg", thumb(), "image/jpeg"))]

    with_cache = client.post("/v1/vision/hands/batch", files=files)
    without = client.post("/v1/vision/hands/batch?cache=false", files=files)

    def marks(answer: httpx.Response) -> list[bool]:
        lines = [json.loads(line) for line in answer.text.splitlines()]
        return ["cached" in line for line in lines if "detections" in line]

    assert marks(with_cache) == [True, True]
    assert marks(without) == [False, False]


def test_what_is_remembered_goes_when_memory_is_reclaimed(client: httpx.Client) -> None:
    client.post("/v1/vision/gestures", content=thumb())

    client.post("/v1/memory/reclaim")

    assert client.get("/metrics/memory").json()["cache"]["entries"] == 0
    assert "cached" not in client.post("/v1/vision/gestures", content=thumb()).json()


def test_what_was_found_in_a_stored_picture_outlives_memory_and_goes_with_it(
    client: httpx.Client, server: RunningServer
) -> None:
    media_id = client.post("/v1/media?inline=never", content=turned_thumb(3)).json()["id"]

    def look() -> bool:
        answer = client.post("/v1/vision/hands/batch", json={"media": [media_id]})
        return "cached" in json.loads(answer.text.splitlines()[0])

    first = look()
    client.post("/v1/memory/reclaim")
    second = look()
    kept = [path for path in (server.root / "derived").rglob("vision-*") if path.parent.name == media_id]
    client.delete(f"/v1/media/{media_id}")

    assert (first, second, len(kept)) == (False, True, 1)
    assert not kept[0].exists()


def test_what_was_found_in_a_sent_picture_is_on_no_disk(client: httpx.Client, server: RunningServer) -> None:
    before = set((server.root / "derived").rglob("*"))

    client.post("/v1/vision/hands?minConfidence=0.61", content=thumb())

    assert client.post("/v1/vision/hands?minConfidence=0.61", content=thumb()).json()["cached"] is True
    assert set((server.root / "derived").rglob("*")) == before


def test_equal_photos_at_one_time_are_looked_at_once(server: RunningServer) -> None:
    url = f"{server.url}/v1/vision/hands?minConfidence=0.62"

    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda _: httpx.post(url, content=thumb(), timeout=60).json(), range(4)))

    assert sorted("cached" in answer for answer in answers) == [False, True, True, True]
    assert len({json.dumps(answer["detections"]) for answer in answers}) == 1
