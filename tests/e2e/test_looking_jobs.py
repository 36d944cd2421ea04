"""Jobs that look at pictures, over HTTP: `analyze`, `anonymize` and `batch`, and what is left of them after a kill."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.jobs import job, left_over, submit, wait_for
from tests.e2e.server import RunningServer, eventually, problem_of, run_server
from tests.e2e.test_jobs_killed import kill_all
from tests.ffmpeg.clips import make
from tests.media_files import media_folder
from tests.samples import png

pytestmark = [pytest.mark.timeout(300), pytest.mark.model, pytest.mark.photo]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    presets = {"IMAGE__PRESETS": "small:width=16&format=webp"}
    with run_server(tmp_path_factory.mktemp("looking"), presets) as running:
        yield running
        eventually(lambda: left_over(running.root) == [])


@pytest.fixture
def client(server: RunningServer) -> Iterator[httpx.Client]:
    with server.client() as made:
        yield made


def upload(client: httpx.Client, data: bytes) -> str:
    return str(client.post("/v1/media?inline=never", content=data).raise_for_status().json()["id"])


def lines_of(client: httpx.Client, item: dict[str, Any]) -> list[dict[str, Any]]:
    assert (item["contentType"], item["kind"]) == ("application/x-ndjson", "other")
    text = client.get(item["url"]).raise_for_status().text
    return [json.loads(line) for line in text.splitlines()]


def test_a_real_video_is_analysed_as_a_stream_of_it_is(client: httpx.Client) -> None:
    video = upload(client, (media_folder() / "hand_202_frames.mp4").read_bytes())

    done = wait_for(
        client,
        submit(client, video, "analyze", params={"task": "hands", "everyNthFrame": 1})["id"],
        "succeeded",
        seconds=120,
    )

    (item,) = done["result"]["media"]
    lines, summary = lines_of(client, item), done["result"]["summary"]
    assert [line["frame"] for line in lines] == list(range(202))
    assert summary["frames"] == 202
    assert summary["framesWithDetections"] == sum(bool(line["detections"]) for line in lines) >= 200
    assert 0 < done["memory"]["peakBytes"] <= done["memory"]["predictedBytes"]


def test_faces_of_a_video_are_covered(client: httpx.Client, tmp_path: Path) -> None:
    face = ("-loop", "1", "-t", "0.6", "-r", "10", "-i", str(media_folder() / "astronaut.png"))
    clip = make(tmp_path / "face.mp4", *face, "-vf", "scale=256:256", "-pix_fmt", "yuv420p")

    done = wait_for(
        client,
        submit(client, upload(client, clip.read_bytes()), "anonymize", params={"style": "pixelate"})["id"],
        "succeeded",
        seconds=120,
    )

    (item,) = done["result"]["media"]
    summary = done["result"]["summary"]
    assert (item["contentType"], item["width"], item["height"]) == ("video/mp4", 256, 256)
    assert (summary["frames"], summary["framesWithFaces"], summary["framesCovered"]) == (6, 6, 6)
    frame = client.get(f"/v1/media/{item['id']}/image?at=0.3&format=png").raise_for_status().content
    found = client.post("/v1/vision/face-detection", content=frame).raise_for_status().json()
    assert found["detections"] == []


def test_pictures_of_a_batch_become_items(client: httpx.Client) -> None:
    ids = [upload(client, png(64, 48)), upload(client, png(32, 32))]

    answer = client.post("/v1/jobs", json={"kind": "batch", "input": ids, "params": {"width": 16, "format": "webp"}})
    done = wait_for(client, answer.raise_for_status().json()["id"], "succeeded", seconds=120)

    *pictures, listing = sorted(done["result"]["media"], key=lambda item: item["kind"])
    lines = lines_of(client, listing)
    assert [line["id"] for line in lines] == ids
    assert {line["result"]["media"] for line in lines} == {item["id"] for item in pictures}
    assert [(item["contentType"], item["width"]) for item in pictures] == [("image/webp", 16)] * 2
    assert done["result"]["summary"] == {"pictures": 2, "succeeded": 2, "failed": 0, "problems": {}}


def test_a_batch_takes_a_preset_and_a_watermark_which_is_no_picture_of_it(client: httpx.Client) -> None:
    ids, mark = [upload(client, png(64, 48)), upload(client, png(32, 32))], upload(client, png(8, 8))

    params = {"preset": "small", "width": 24, "watermark": mark}
    answer = client.post("/v1/jobs", json={"kind": "batch", "input": ids, "params": params})
    done = wait_for(client, answer.raise_for_status().json()["id"], "succeeded", seconds=120)

    *pictures, listing = done["result"]["media"]
    assert [line["result"]["media"] for line in lines_of(client, listing)] == [item["id"] for item in pictures]
    assert [(item["contentType"], item["width"]) for item in pictures] == [("image/webp", 24)] * 2
    assert (done["inputCount"], done["params"]) == (2, params)


def test_what_cannot_work_is_refused_at_once(client: httpx.Client) -> None:
    picture = upload(client, png(64, 48))

    for kind, params, refusal in (
        ("analyze", {"task": "hands"}, (415, "unsupported_media")),
        ("anonymize", {}, (415, "unsupported_media")),
        ("batch", {"task": "teeth"}, (422, "invalid_parameter")),
        ("batch", {"preset": "teeth"}, (422, "invalid_parameter")),
    ):
        answer = client.post("/v1/jobs", json={"kind": kind, "input": picture, "params": params})
        problem_of(answer, *refusal)


def test_an_analysis_that_was_killed_ends_as_one_that_was_not(tmp_path: Path) -> None:
    clip = make(
        tmp_path / "clip.mp4",
        *("-stream_loop", "18", "-i", str(media_folder() / "hand_202_frames.mp4"), "-t", "125", "-an"),
        *("-vf", "scale=160:90", "-c:v", "libx264", "-preset", "ultrafast"),
    )
    params = {"task": "hands", "sampleFps": 2}
    root = tmp_path / "root"
    root.mkdir()
    with run_server(root) as server, server.client() as client:
        video = upload(client, clip.read_bytes())
        whole = wait_for(client, submit(client, video, "analyze", params=params)["id"], "succeeded", seconds=120)
        expected = lines_of(client, whole["result"]["media"][0])
        broken = submit(client, video, "analyze", params=params)
        eventually(lambda: job(client, broken["id"])["progress"] > 0.45, 120)
        kill_all(server)
    with run_server(root) as server, server.client() as client:
        done = wait_for(client, broken["id"], "succeeded", seconds=120)
        found = lines_of(client, done["result"]["media"][0])

        assert found == expected
        assert done["result"]["summary"] == whole["result"]["summary"]
        eventually(lambda: left_over(server.root) == [])
