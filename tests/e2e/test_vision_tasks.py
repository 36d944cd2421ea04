"""Every vision task over HTTP: known answers, drawings, masks, and what is said where a bundle is missing."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from app.vision.schema import AnalysisSchema
from app.vision.task import vision_tasks
from tests.e2e.pictures import saved, turned_thumb
from tests.e2e.server import RunningServer, problem_of, run_server
from tests.media_files import PHOTO_NAMES, photo

pytestmark = [pytest.mark.model, pytest.mark.photo]

TOLERANCE = 0.03
TASKS = vision_tasks()

every_task = pytest.mark.parametrize("name", TASKS)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with run_server(tmp_path_factory.mktemp("tasks"), {"VISION__WORKERS": "1"}) as server:
        yield server


@pytest.fixture
def client(server: RunningServer) -> Iterator[httpx.Client]:
    with server.client() as client:
        yield client


def analysis(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    AnalysisSchema.model_validate_json(answer.content)
    document: dict[str, Any] = answer.json()
    return document


def picture_of(answer: httpx.Response, content_type: str) -> Image.Image:
    assert (answer.status_code, answer.headers["content-type"]) == (200, content_type), answer.text
    assert "peak=" in answer.headers["ballast-memory"]
    return Image.open(io.BytesIO(answer.content))


@pytest.mark.parametrize("name", PHOTO_NAMES)
@pytest.mark.parametrize(("task", "nose"), [("face-landmarks", 1), ("pose?model=lite", 0)])
def test_the_noses_of_every_photo_are_where_they_are(client: httpx.Client, name: str, task: str, nose: int) -> None:
    known = photo(name)

    document = analysis(client.post(f"/v1/vision/{task}", content=known.read()))

    seen = [(one["landmarks"][nose]["x"], one["landmarks"][nose]["y"]) for one in document["detections"]]
    expected = known.face_noses if "face" in task else known.pose_noses
    assert len(seen) == len(expected)
    assert all(math.dist(one, other) <= TOLERANCE for one, other in zip(seen, expected, strict=True))


@every_task
def test_the_model_that_answered_is_named(client: httpx.Client, name: str) -> None:
    form = {"as": "json"} if TASKS[name].has_mask else {"model": "lite"} if name == "pose" else {}
    form |= {"maxHands": "1"} if name == "hands" else {}  # else the model of another task may answer

    answer = client.post(f"/v1/vision/{name}", params=form, content=photo("astronaut.png").read())

    assert analysis(answer)["model"] == Path(TASKS[name].asset).stem


def test_hands_found_by_the_model_of_gestures_name_that_one(tmp_path: Path) -> None:
    with run_server(tmp_path) as server, server.client() as client:
        client.post("/v1/vision/gestures", content=photo("thumb_up.jpg").read())

        found = analysis(client.post("/v1/vision/hands", content=photo("thumb_up.jpg").read()))

    assert found["model"] == Path(TASKS["gestures"].asset).stem
    assert len(found["detections"]) == 1


@every_task
def test_the_picture_comes_back_with_the_drawing_on_it(client: httpx.Client, name: str) -> None:
    answer = client.post(f"/v1/vision/{name}?annotate=true", content=photo("business_person.png").read())

    drawn = picture_of(answer, "image/jpeg")
    assert drawn.size == (958, 1358)
    assert _differs(drawn.convert("RGB"), Image.open(photo("business_person.png").path).convert("RGB"))


def _differs(one: Image.Image, other: Image.Image) -> bool:
    from PIL import ImageChops

    return max(high for _, high in ImageChops.difference(one, other).getextrema()) > 100  # type: ignore[misc]


def test_a_turned_picture_comes_back_upright(client: httpx.Client) -> None:
    drawn = picture_of(client.post("/v1/vision/gestures?annotate=true", content=turned_thumb(6)), "image/jpeg")

    assert drawn.size == (640, 521)
    assert drawn.getexif().get(0x0112, 1) == 1


def test_a_drawing_is_never_larger_than_its_canvas(client: httpx.Client) -> None:
    with Image.open(photo("astronaut.png").path) as image:
        large = saved(image.convert("RGB").resize((2400, 3600)), "JPEG")

    drawn = picture_of(client.post("/v1/vision/face-detection?annotate=true", content=large), "image/jpeg")
    mask = picture_of(client.post("/v1/vision/segmentation", content=large), "image/png")

    assert drawn.size == mask.size == (1280, 1920)


def test_segmentation_answers_the_mask(client: httpx.Client) -> None:
    mask = picture_of(client.post("/v1/vision/segmentation", content=photo("business_person.png").read()), "image/png")

    assert (mask.mode, mask.size) == ("L", (958, 1358))
    assert mask.getpixel((510, 340)) > 200  # type: ignore[operator]
    assert mask.getpixel((50, 340)) < 50  # type: ignore[operator]


def test_segmentation_answers_size_and_coverage_as_json(client: httpx.Client) -> None:
    picture = photo("business_person.png").read()

    (people,) = analysis(client.post("/v1/vision/segmentation?as=json", content=picture))["detections"]
    inline = client.post("/v1/vision/segmentation?as=json&inlineMask=true", content=picture)

    assert (people["mask"]["width"], people["mask"]["height"]) == (451, 640)
    assert 0.45 <= people["mask"]["coverage"] <= 0.65
    png = base64.b64decode(analysis(inline)["detections"][0]["mask"]["png"])
    assert Image.open(io.BytesIO(png)).size == (451, 640)


def test_two_forms_at_once_are_refused(client: httpx.Client) -> None:
    answer = client.post("/v1/vision/segmentation?as=json&annotate=true", content=photo("thumb_up.jpg").read())

    assert "leave `as` out" in problem_of(answer, 422, "invalid_parameter")["detail"]


@pytest.mark.parametrize(
    "query",
    ["hands?as=json", "pose?model=heavy", "pose?maxPoses=9", "face-landmarks?blendshapes=2", "segmentation?as=gif",
     "face-detection?maxFaces=0", "hands?annotate=maybe"],
)  # fmt: skip
def test_other_parameters_are_refused(client: httpx.Client, query: str) -> None:
    problem_of(client.post(f"/v1/vision/{query}", content=photo("thumb_up.jpg").read()), 422, "invalid_parameter")


def test_blendshapes_are_answered_when_they_are_asked_for(client: httpx.Client) -> None:
    answer = client.post("/v1/vision/face-landmarks?blendshapes=true", content=photo("astronaut.png").read())

    (face,) = analysis(answer)["detections"]
    assert len(face["blendshapes"]) == 52


def test_a_task_without_its_bundle_is_missing_and_the_others_work(tmp_path: Path, models_folder: Path) -> None:
    some = tmp_path / "models"
    some.mkdir()
    for name in ("hand_landmarker.task", "pose_landmarker_lite.task"):
        (some / name).symlink_to(models_folder / name)
    picture = photo("business_person.png").read()

    with run_server(tmp_path, {"MODELS__DIR": str(some)}) as server, server.client() as client:
        missing = client.post("/v1/vision/segmentation", content=picture)
        full = client.post("/v1/vision/pose?model=full", content=picture)
        auto = client.post("/v1/vision/pose", content=picture)
        states = {task["name"]: task["state"] for task in client.get("/v1/vision").json()["tasks"]}

        assert "ballast models selfie_segmenter.tflite" in problem_of(missing, 503, "model_missing")["detail"]
        assert "pose_landmarker_full.task" in problem_of(full, 503, "model_missing")["detail"]
        assert analysis(auto)["model"] == "pose_landmarker_lite"
    assert {name for name, state in states.items() if state == "missing"} == TASKS.keys() - {"hands", "pose"}


def test_where_memory_is_tight_the_lite_pose_model_answers_whatever_is_asked_for(tmp_path: Path) -> None:
    tight = {"MEMORY__MODERATE_SHARE": "0.0001", "MEMORY__HIGH_SHARE": "0.0002", "MEMORY__SAMPLE_SECONDS": "0.05"}

    with run_server(tmp_path, {"MEMORY__LIMIT": "2G", **tight}) as server, server.client() as client:
        document = analysis(client.post("/v1/vision/pose?model=full", content=photo("astronaut.png").read()))

    assert (document["mode"], document["model"]) == ("MEMORY_OPTIMIZED", "pose_landmarker_lite")
