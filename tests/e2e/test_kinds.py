"""Pictures, time lapses and sound by jobs over HTTP: from the order to the items."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.jobs import order, submit, upload, wait_for
from tests.e2e.server import RunningServer, problem_of, run_server
from tests.samples import png

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with run_server(tmp_path_factory.mktemp("service")) as running:
        yield running


@pytest.fixture
def client(server: RunningServer) -> Iterator[httpx.Client]:
    with server.client() as made:
        yield made


def picture(client: httpx.Client) -> str:
    answer = client.post("/v1/media?inline=never", content=png(width=64, height=48))
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def test_thumbnails_sheet_sprite_and_track_are_items_in_that_order(client: httpx.Client) -> None:
    params = {"count": 2, "sheet": True, "sprite": True, "width": 80}

    done = wait_for(client, submit(client, upload(client), "thumbnails", params=params)["id"], "succeeded")

    items = done["result"]["media"]
    assert [item["contentType"] for item in items] == ["image/jpeg"] * 4 + ["text/vtt"]
    assert (items[0]["width"], items[0]["height"]) == (80, 45)
    track = client.get(items[-1]["url"])
    assert track.headers["content-type"].startswith("text/vtt")
    assert f"../{items[3]['id']}/content#xywh=0,0," in track.text
    sprite = track.text.split("\n../", 1)[1].partition("#")[0]
    assert client.get(f"/v1/media/{items[-1]['id']}/../{sprite}").status_code == 200
    assert 0 < done["memory"]["peakBytes"] <= done["memory"]["predictedBytes"]


def test_a_time_lapse_goes_on_without_a_picture_that_was_deleted(client: httpx.Client) -> None:
    ids = [picture(client) for _ in range(4)]
    assert client.delete(f"/v1/media/{ids[1]}").status_code == 204

    submitted = client.post("/v1/jobs", json={**order(ids[0], "timelapse"), "input": ids})
    assert submitted.status_code == 202, submitted.text
    done = wait_for(client, submitted.json()["id"], "succeeded")

    summary = done["result"]["summary"]
    assert (summary["pictures"], summary["missing"], summary["frames"]) == (3, [1], 3)
    (item,) = done["result"]["media"]
    assert (item["contentType"], item["width"], item["height"]) == ("video/mp4", 64, 48)


def test_sound_and_its_waveform_are_items(client: httpx.Client) -> None:
    params = {"format": "mp3", "loudness": -20, "waveform": True}

    done = wait_for(client, submit(client, upload(client), "audio", params=params)["id"], "succeeded")

    assert [item["contentType"] for item in done["result"]["media"]] == ["audio/mpeg", "application/json", "image/png"]
    assert done["result"]["summary"]["loudness"]["output"]["integratedLufs"] == pytest.approx(-20, abs=1)


@pytest.mark.parametrize(
    ("kind", "params", "word"),
    [
        ("thumbnails", {"at": [99]}, "at"),
        ("audio", {"format": "flac"}, "format"),
        ("hls", {"heights": [8]}, "params.heights.0"),
        ("timelapse", {"speed": 0}, "speed"),
    ],
)
def test_what_cannot_work_is_refused_at_once(
    client: httpx.Client, kind: str, params: dict[str, object], word: str
) -> None:
    answer = client.post("/v1/jobs", json=order(upload(client), kind, params=params))

    assert word in problem_of(answer, 422, "invalid_parameter")["detail"]


def test_a_job_whose_model_is_not_installed_is_refused_before_it_waits(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()

    with run_server(tmp_path, {"MODELS__DIR": str(tmp_path / "models")}) as server, server.client() as client:
        video, photo = upload(client), picture(client)
        hands = client.post("/v1/jobs", json=order(video, "analyze", params={"task": "hands"}))
        faces = client.post("/v1/jobs", json=order(video, "anonymize"))
        batch = client.post("/v1/jobs", json=order(photo, "batch", params={"anonymize": "faces"}))
        advice = client.get("/v1/memory/advice", params={"media": video, "kind": "anonymize"})
        needs_none = client.post("/v1/jobs", json=order(video, "analyze", params={"scenes": True}))
        listed = client.get("/v1/jobs").json()["items"]

        assert "hand_landmarker.task" in problem_of(hands, 503, "model_missing")["detail"]
        for refused in (faces, batch):
            assert "blaze_face_short_range.tflite" in problem_of(refused, 503, "model_missing")["detail"]
        assert "blaze_face_short_range.tflite" in advice.text
        assert needs_none.status_code == 202, needs_none.text
        assert len(listed) == 1
