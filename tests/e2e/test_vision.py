"""Pictures over HTTP: the right answer for every photo, in every form in which a picture may come."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.vision.schema import AnalysisSchema, TaskListSchema
from tests.e2e.pictures import saved, thumb, thumb_variants, turned_thumb
from tests.e2e.server import RunningServer, eventually, problem_of, run_server
from tests.media_files import PHOTO_NAMES, photo

pytestmark = [pytest.mark.model, pytest.mark.photo]

WRIST = (0.256, 0.736)
TOLERANCE = 0.03


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with run_server(tmp_path_factory.mktemp("vision"), {"VISION__WORKERS": "1"}) as server:
        yield server


@pytest.fixture
def client(server: RunningServer) -> Iterator[httpx.Client]:
    with server.client() as client:
        yield client


def analysis(answer: httpx.Response) -> dict[str, Any]:
    """Return a 200 answer that keeps to the schema."""
    assert answer.status_code == 200, answer.text
    AnalysisSchema.model_validate_json(answer.content)
    document: dict[str, Any] = answer.json()
    return document


def hands_from_left(document: dict[str, Any]) -> list[dict[str, Any]]:
    return sorted(document["detections"], key=lambda hand: float(hand["landmarks"][0]["x"]))


def wrist_of(hand: dict[str, Any]) -> tuple[float, float]:
    return hand["landmarks"][0]["x"], hand["landmarks"][0]["y"]


def is_near(found: tuple[float, float], expected: tuple[float, float]) -> bool:
    return math.dist(found, expected) <= TOLERANCE


def states(client: httpx.Client) -> dict[str, str]:
    answer = client.get("/v1/vision")
    tasks = TaskListSchema.model_validate_json(answer.content).tasks
    return {task.name: task.state for task in tasks}


def test_a_model_is_loaded_by_the_first_picture(tmp_path: Path) -> None:
    with run_server(tmp_path) as server, server.client() as client:
        before, workers_before = states(client), server.workers()

        analysis(client.post("/v1/vision/hands?cache=false", content=thumb()))

        after = states(client)
        assert set(before.values()) <= {"unloaded", "missing"}
        assert after == {**before, "hands": "ready"}
        assert workers_before == []
        assert eventually(server.workers)


def test_an_idle_worker_is_let_go_and_comes_back(tmp_path: Path) -> None:
    with run_server(tmp_path, {"VISION__IDLE_SECONDS": "0.3"}) as server, server.client() as client:
        analysis(client.post("/v1/vision/hands?cache=false", content=thumb()))
        eventually(lambda: states(client)["hands"] == "unloaded")

        is_alone = eventually(lambda: not server.children())
        again = client.post("/v1/vision/hands?cache=false", content=thumb())

        assert is_alone
        assert len(analysis(again)["detections"]) == 1


@pytest.mark.parametrize("task", ["hands", "gestures"])
@pytest.mark.parametrize("name", PHOTO_NAMES)
def test_every_photo_has_the_known_answer(client: httpx.Client, name: str, task: str) -> None:
    known = photo(name)

    document = analysis(client.post(f"/v1/vision/{task}", content=known.read()))

    hands = hands_from_left(document)
    assert (document["task"], document["width"], document["height"]) == (task, known.width, known.height)
    assert [hand["handedness"]["label"] for hand in hands] == [hand.side for hand in known.hands]
    assert all(is_near(wrist_of(hand), expected.wrist) for hand, expected in zip(hands, known.hands, strict=True))
    assert all(len(hand["landmarks"]) == len(hand["worldLandmarks"]) == 21 for hand in hands)
    assert document["mode"] == "FULL_QUALITY"
    if task == "gestures":
        assert [hand["gesture"]["label"] for hand in hands] == [hand.gesture for hand in known.hands]


def test_a_thumb_up_is_a_thumb_up(client: httpx.Client) -> None:
    document = analysis(client.post("/v1/vision/gestures", content=thumb(), headers={"Content-Type": "image/jpeg"}))

    (hand,) = document["detections"]
    assert hand["handedness"]["label"] == "Left"
    assert hand["gesture"]["label"] == "Thumb_Up"
    assert hand["gesture"]["score"] >= 0.8
    assert len(hand["landmarks"]) == 21


def test_a_form_is_answered_as_the_bytes_themselves(client: httpx.Client) -> None:
    raw = analysis(client.post("/v1/vision/hands?cache=false", content=thumb()))

    form = analysis(client.post("/v1/vision/hands?cache=false", files={"file": ("thumb.jpg", thumb(), "image/jpeg")}))

    assert form["detections"] == raw["detections"]


def test_a_body_in_chunks_is_taken(client: httpx.Client) -> None:
    picture = thumb()

    answer = client.post(
        "/v1/vision/hands?cache=false", content=(picture[at : at + 4096] for at in range(0, len(picture), 4096))
    )

    assert len(analysis(answer)["detections"]) == 1


@pytest.mark.parametrize("orientation", range(2, 9))
def test_a_turned_picture_is_seen_upright(client: httpx.Client, orientation: int) -> None:
    document = analysis(client.post("/v1/vision/gestures", content=turned_thumb(orientation)))

    (hand,) = document["detections"]
    assert (document["width"], document["height"]) == (640, 521)
    assert is_near(wrist_of(hand), WRIST)
    assert hand["gesture"]["label"] == "Thumb_Up"
    assert hand["handedness"]["label"] == "Left"


@pytest.mark.parametrize(
    "form",
    [
        "cmyk", "progressive", "alpha", "palette", "16-bit", "webp", "animated-gif", "animated-webp", "animated-png",
    ],
)  # fmt: skip
def test_unusual_pictures_are_seen_right(client: httpx.Client, form: str) -> None:
    document = analysis(client.post("/v1/vision/gestures", content=thumb_variants()[form]))

    (hand,) = document["detections"]
    assert is_near(wrist_of(hand), WRIST)
    assert hand["gesture"]["label"] == "Thumb_Up"


def test_grey_of_16_bits_is_seen_as_grey_of_8(client: httpx.Client) -> None:
    from PIL import Image

    from tests.e2e.pictures import opened_thumb

    grey = opened_thumb().convert("L")
    wide = Image.frombytes("I;16", grey.size, b"".join(bytes((value, value)) for value in grey.tobytes()))
    narrow = analysis(client.post("/v1/vision/hands?minConfidence=0.1", content=saved(grey, "PNG")))

    document = analysis(client.post("/v1/vision/hands?minConfidence=0.1", content=saved(wide, "PNG")))

    assert len(document["detections"]) >= 1
    assert document["detections"] == narrow["detections"]


def test_a_picture_of_one_pixel_has_no_hands(client: httpx.Client) -> None:
    from PIL import Image

    document = analysis(client.post("/v1/vision/hands?cache=false", content=saved(Image.new("RGB", (1, 1)), "PNG")))

    assert document["detections"] == []


def test_the_number_of_hands_can_be_limited(client: httpx.Client) -> None:
    picture = photo("two_hands_pose.jpg").read()

    document = analysis(client.post("/v1/vision/hands?maxHands=1&minConfidence=0.4", content=picture))

    assert len(document["detections"]) == 1


def test_a_receipt_says_what_it_took(client: httpx.Client) -> None:
    client.post("/v1/vision/hands?cache=false", content=thumb())

    answer = client.post("/v1/vision/hands?cache=false", content=thumb())

    words = dict(word.strip().split("=") for word in answer.headers["ballast-memory"].split(","))
    assert words.keys() == {"predicted", "peak", "mode"}
    assert int(words["predicted"]) > 0
    assert int(words["peak"]) >= 0
    assert words["mode"] == "FULL_QUALITY"


@pytest.mark.parametrize("name", ["a", "request-17.B_c", "x" * 128])
def test_a_sane_request_id_is_given_back(client: httpx.Client, name: str) -> None:
    answer = client.post("/v1/vision/hands?cache=false", content=thumb(), headers={"X-Request-Id": name})

    assert answer.headers["x-request-id"] == name


@pytest.mark.parametrize("name", ["", "x" * 129, "a b", "a\tb", "{}", "é", "../../x"])
def test_another_request_id_is_replaced(client: httpx.Client, name: str) -> None:
    answer = client.get("/v1/vision", headers=[(b"X-Request-Id", name.encode())])

    assert len(answer.headers["x-request-id"]) == 32
    assert answer.headers["x-request-id"] != name


def test_the_request_id_is_in_the_problem_too(client: httpx.Client) -> None:
    answer = client.post("/v1/vision/hands?cache=false", content=b"", headers={"X-Request-Id": "mine"})

    assert problem_of(answer, 415, "unsupported_media")["requestId"] == "mine"
