"""Faces over HTTP: hidden, counted, cut around; and what is said where they cannot be looked for."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from PIL import Image, ImageStat

from benchmarks.face_scenes import HEADS, Composer, Placed
from tests.e2e.server import RunningServer, problem_of, run_server
from tests.images.renders import png
from tests.media_files import media_folder, photo

pytestmark = [pytest.mark.model("blaze_face_short_range.tflite"), pytest.mark.photo]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with run_server(tmp_path_factory.mktemp("faces"), {"VISION__WORKERS": "1"}) as server:
        yield server


@pytest.fixture
def client(server: RunningServer) -> Iterator[httpx.Client]:
    with server.client() as client:
        yield client


def picture_of(answer: httpx.Response) -> Image.Image:
    assert answer.status_code == 200, answer.text
    return Image.open(io.BytesIO(answer.content)).convert("RGB")


@pytest.mark.parametrize("style", ["blur", "pixelate", "solid", "oval"])
@pytest.mark.parametrize("name", ["astronaut.png", "two_hands_pose.jpg"])
def test_face_detection_finds_nothing_in_what_was_anonymized(client: httpx.Client, name: str, style: str) -> None:
    answer = client.post(f"/v1/images?anonymize=faces&anonymizeStyle={style}", content=photo(name).read())

    seen = client.post("/v1/vision/face-detection", content=answer.content)

    assert answer.headers["ballast-faces"] == "1"
    assert seen.json()["detections"] == []


def test_every_face_is_counted_small_and_turned_ones_too(client: httpx.Client) -> None:
    places = [
        Placed(HEADS[0], (200, 300), 30, 0),
        Placed(HEADS[1], (600, 300), 80, 70),
        Placed(HEADS[2], (1000, 600), 140, 0),
    ]
    picture = png(Composer(media_folder()).compose((1280, 960), places).picture)

    answer = client.post("/v1/images?anonymize=faces&anonymizeStyle=solid&format=png", content=picture)
    again = client.post("/v1/images?anonymize=faces", content=answer.content)

    assert answer.headers["ballast-faces"] == "3"
    hidden = picture_of(answer)
    assert [hidden.getpixel((round(x), round(y))) for x, y in (place.middle for place in places)] == [(0, 0, 0)] * 3
    assert again.headers["ballast-faces"] == "0"


def test_gravity_keeps_the_face_and_says_how_many_there_are(client: httpx.Client) -> None:
    place = Placed(HEADS[0], (1100, 250), 90, 0)
    picture = png(Composer(media_folder()).compose((1280, 500), [place], seed=1).picture)

    answer = client.post("/v1/images?width=300&height=500&fit=cover&gravity=faces&format=png", content=picture)
    seen = client.post("/v1/vision/face-detection", content=answer.content)

    assert answer.headers["ballast-faces"] == "1"
    assert picture_of(answer).size == (300, 500)
    assert len(seen.json()["detections"]) == 1


def test_gravity_falls_back_to_detail_where_there_is_no_face(client: httpx.Client) -> None:
    image = Image.new("RGB", (600, 200), "grey")
    image.paste(Image.effect_noise((120, 120), 90).convert("RGB"), (440, 40))

    answer = client.post("/v1/images?width=200&height=200&fit=cover&gravity=faces&format=png", content=png(image))

    assert answer.headers["ballast-faces"] == "0"
    assert ImageStat.Stat(picture_of(answer).convert("L")).stddev[0] > 30


def test_a_picture_nobody_looked_at_tells_no_count(client: httpx.Client) -> None:
    answer = client.post("/v1/images?width=100", content=photo("astronaut.png").read())

    assert "ballast-faces" not in answer.headers


def test_the_receipt_covers_the_search(client: httpx.Client) -> None:
    picture = photo("business_person.png").read()

    plain = client.post("/v1/images?width=100", content=picture).headers["ballast-memory"]
    hidden = client.post("/v1/images?width=100&anonymize=faces", content=picture).headers["ballast-memory"]

    predicted = [int(receipt.split("predicted=")[1].split(",")[0]) for receipt in (plain, hidden)]
    assert predicted[0] <= predicted[1]
    assert all("mode=FULL_QUALITY" in receipt for receipt in (plain, hidden))


def test_afterwards_nothing_is_reserved_but_what_children_hold(client: httpx.Client) -> None:
    client.post("/v1/images?anonymize=faces", content=photo("astronaut.png").read())

    holders = client.get("/metrics/memory").json()["budget"]["holders"]

    assert not [holder for holder in holders if holder["owner"].startswith(("image", "picture", "vision:"))]


def test_without_the_model_it_is_said_how_to_get_it_and_other_pictures_are_answered(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    picture = photo("astronaut.png").read()

    with run_server(tmp_path, {"MODELS__DIR": str(tmp_path / "models")}) as server, server.client() as client:
        missing = client.post("/v1/images?anonymize=faces", content=picture)
        other = client.post("/v1/images?width=100", content=picture)

        assert "blaze_face_short_range.tflite" in problem_of(missing, 503, "model_missing")["detail"]
        assert other.status_code == 200
