"""A vision task is one file: dropped into `tasks/` of a copy of the application, it is served in every way there is."""

from __future__ import annotations

import importlib.util
import json
import shutil
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect

from app.vision.schema import AnalysisSchema
from app.vision.task import vision_tasks
from tests.e2e.server import RunningServer, problem_of, run_server
from tests.media_files import REPOSITORY
from tests.samples import png

pytestmark = [
    pytest.mark.model("blaze_face_short_range.tflite"),
    pytest.mark.skipif(importlib.util.find_spec("mediapipe") is None, reason="mediapipe is not installed"),
]

_TOES = '''"""Toes: as many as are asked for, in the middle of every picture."""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Le

from app.domain.units import MIB
from app.vision.task import Found, Model, VisionTask


@dataclass(frozen=True, slots=True)
class ToesParams:
    max_toes: Annotated[int, Ge(1), Le(10)] = 1


class Toes(VisionTask):
    name = "toes"
    summary = "toes, even where there are none"
    asset = "blaze_face_short_range.tflite"  # the bundle of another task: it is not read
    Params = ToesParams
    model_bytes = tracker_bytes = 4 * MIB

    @classmethod
    def load(cls, asset, params):
        return Middle(params.max_toes)

    load_tracker = load


class Middle(Model):
    def __init__(self, count):
        self.count = count

    def detect(self, rgb, timestamp_ms=None):
        assert rgb.shape[2] == 3
        return Found([{"landmarks": [{"x": 0.5, "y": 0.5, "z": 0.0}]}] * self.count)

    def close(self):
        pass
'''


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """The service of a copy of the application that has one file more."""
    folder = tmp_path_factory.mktemp("drop-in")
    shutil.copytree(REPOSITORY / "app", folder / "app", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "app" / "vision" / "tasks" / "toes.py").write_text(_TOES)
    with run_server(folder, {"VISION__WORKERS": "1"}) as server:
        yield server


@pytest.fixture
def client(server: RunningServer) -> Iterator[httpx.Client]:
    with server.client() as client:
        yield client


def toes_in(document: dict[str, Any]) -> int:
    """Check an answer against its schema and return how many toes it has."""
    assert AnalysisSchema.model_validate(document).task == "toes"
    return len(document["detections"])


def test_it_is_listed_beside_the_others_with_its_parameters(client: httpx.Client) -> None:
    listed = {task["name"]: task for task in client.get("/v1/vision").json()["tasks"]}

    assert listed.keys() == {*vision_tasks(), "toes"}
    assert listed["toes"]["parameters"]["maxToes"]["maximum"] == 10


def test_its_routes_are_described(client: httpx.Client) -> None:
    paths = client.get("/openapi.json").json()["paths"]

    for path in ("/v1/vision/toes", "/v1/vision/toes/batch"):
        parameters = {parameter["name"]: parameter for parameter in paths[path]["post"]["parameters"]}
        assert parameters["maxToes"]["schema"]["default"] == 1


def test_it_answers_a_picture_in_a_worker(client: httpx.Client, server: RunningServer) -> None:
    answer = client.post("/v1/vision/toes?maxToes=3", content=png(64, 64))

    assert answer.status_code == 200, answer.text
    assert toes_in(answer.json()) == 3
    assert len(server.children()) == 1


def test_all_that_children_share_is_loaded_beside_it(client: httpx.Client, server: RunningServer) -> None:
    client.post("/v1/vision/toes", content=png(64, 64))

    (started,) = [line for line in server.log_lines() if line["message"] == "zygote started"]

    assert started["missing"] == []


def test_it_is_drawn(client: httpx.Client) -> None:
    answer = client.post("/v1/vision/toes?annotate=true", content=png(64, 64))

    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")


def test_its_bounds_hold(client: httpx.Client) -> None:
    answer = client.post("/v1/vision/toes?maxToes=11", content=png(64, 64))

    assert "maxToes" in problem_of(answer, 422, "invalid_parameter")["detail"]


def test_it_answers_a_batch(client: httpx.Client) -> None:
    files = [("file", (f"{number}.png", png(64, 64))) for number in range(3)]

    answer = client.post("/v1/vision/toes/batch?maxToes=2", files=files)

    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert sorted(line.pop("index") for line in lines) == [0, 1, 2]
    assert [toes_in(line) for line in lines] == [2, 2, 2]


def test_it_answers_a_stream(server: RunningServer) -> None:
    with connect(f"{server.websocket_url}/v1/vision/toes/stream?maxToes=4") as stream:
        greeting = json.loads(stream.recv(timeout=15))
        stream.send(png(64, 64))
        answer = json.loads(stream.recv(timeout=15))

    assert (greeting["type"], greeting["task"]) == ("ready", "toes")
    assert answer["type"] == "result"
    assert len(answer["detections"]) == 4


def test_its_model_is_counted_as_one_of_ours(client: httpx.Client) -> None:
    client.post("/v1/vision/toes", content=png(64, 64))

    (task,) = [task for task in client.get("/v1/vision").json()["tasks"] if task["name"] == "toes"]

    assert task["state"] == "ready"
    assert task["idleSeconds"] >= 0
