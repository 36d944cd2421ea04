"""Faces, bodies and masks: the engine's answers for photos with known ones, for each model of each task."""

from __future__ import annotations

import base64
import io
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.media_files import PHOTO_NAMES, photo
from tests.vision.engines import Found, open_engines

pytestmark = [pytest.mark.model, pytest.mark.photo]

TOLERANCE = 0.03
NOSE_OF_FACE_DETECTION, NOSE_OF_FACE_LANDMARKS, NOSE_OF_POSE = 2, 1, 0
FULL_POSE = pytest.mark.model("pose_landmarker_full.task")


def noses(found: Found, index: int) -> list[tuple[float, float]]:
    points = [one["landmarks"][index] for one in found.detections]
    return sorted((point["x"], point["y"]) for point in points)


def assert_near(seen: list[tuple[float, float]], known: tuple[tuple[float, float], ...]) -> None:
    assert len(seen) == len(known)
    for one, other in zip(seen, sorted(known), strict=True):
        assert math.dist(one, other) <= TOLERANCE


@pytest.mark.parametrize("name", PHOTO_NAMES)
async def test_the_face_landmarks_of_a_photo_are_where_they_are(name: str, models_folder: Path) -> None:
    async with open_engines(models_folder) as engines:
        found = await engines.analyze("face-landmarks", photo(name).read())

    assert_near(noses(found, NOSE_OF_FACE_LANDMARKS), photo(name).face_noses)
    assert all(len(face["landmarks"]) == 478 for face in found.detections)
    assert all("blendshapes" not in face for face in found.detections)


async def test_blendshapes_are_named_and_scored_when_they_are_asked_for(models_folder: Path) -> None:
    async with open_engines(models_folder) as engines:
        found = await engines.analyze("face-landmarks", photo("astronaut.png").read(), blendshapes=True)

    (face,) = found.detections
    assert len(face["blendshapes"]) == 52
    assert all(0 <= score <= 1 for score in face["blendshapes"].values())
    assert face["blendshapes"]["mouthSmileLeft"] > 0.5
    assert face["blendshapes"]["jawOpen"] < 0.5


@pytest.mark.parametrize("name", [name for name in PHOTO_NAMES if name != "two_hands_pose.jpg"])
async def test_the_faces_of_a_photo_are_detected_where_their_landmarks_are(name: str, models_folder: Path) -> None:
    async with open_engines(models_folder) as engines:
        found = await engines.analyze("face-detection", photo(name).read())

    assert_near(noses(found, NOSE_OF_FACE_DETECTION), photo(name).face_noses)
    for face in found.detections:
        assert face["score"] >= 0.9
        assert _is_inside(face["landmarks"][NOSE_OF_FACE_DETECTION], face["box"])


async def test_a_face_too_small_for_landmarks_is_detected(models_folder: Path) -> None:
    known = photo("two_hands_pose.jpg")

    async with open_engines(models_folder) as engines:
        found = await engines.analyze("face-detection", known.read())

    assert_near(noses(found, NOSE_OF_FACE_DETECTION), known.pose_noses)


def _is_inside(point: dict[str, float], box: dict[str, float]) -> bool:
    across = box["x"] < point["x"] < box["x"] + box["width"]
    return across and box["y"] < point["y"] < box["y"] + box["height"]


async def test_no_more_faces_are_answered_than_wanted_and_the_surest_first(models_folder: Path) -> None:
    two_faces = _with_its_mirror_image(photo("astronaut.png").path)

    async with open_engines(models_folder) as engines:
        both = await engines.analyze("face-detection", two_faces)
        one = await engines.analyze("face-detection", two_faces, max_faces=1)

    scores = [face["score"] for face in both.detections]
    assert len(scores) == 2
    assert scores == sorted(scores, reverse=True)
    assert one.detections == both.detections[:1]


def _with_its_mirror_image(path: Path) -> bytes:
    with Image.open(path) as image:
        head = image.convert("RGB").crop((120, 20, 340, 240))
    canvas = Image.new("RGB", (440, 220))
    canvas.paste(head)
    canvas.paste(head.transpose(Image.Transpose.FLIP_LEFT_RIGHT), (220, 0))
    buffer = io.BytesIO()
    canvas.save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize("name", PHOTO_NAMES)
@pytest.mark.parametrize("model", ["lite", pytest.param("full", marks=FULL_POSE)])
async def test_the_poses_of_a_photo_are_where_they_are(name: str, model: str, models_folder: Path) -> None:
    async with open_engines(models_folder) as engines:
        found = await engines.analyze("pose", photo(name).read(), model=model)

    assert_near(noses(found, NOSE_OF_POSE), photo(name).pose_noses)
    for body in found.detections:
        assert (len(body["landmarks"]), len(body["worldLandmarks"])) == (33, 33)
        assert body["landmarks"][NOSE_OF_POSE]["visibility"] > 0.9
        assert all(abs(point["x"]) < 2 for point in body["worldLandmarks"])  # metres from the hips


@FULL_POSE
async def test_the_two_pose_models_are_not_the_same(models_folder: Path) -> None:
    picture = photo("astronaut.png").read()

    async with open_engines(models_folder) as engines:
        lite = await engines.analyze("pose", picture, model="lite")
        full = await engines.analyze("pose", picture, model="full")

    assert lite.detections != full.detections


@pytest.mark.parametrize("task", ["face-landmarks", "pose", "hands", "gestures"])
async def test_a_tracker_finds_frame_after_frame_what_the_model_finds(task: str, models_folder: Path) -> None:
    picture = photo("business_person.png").read()

    async with open_engines(models_folder) as engines:
        alone = await engines.analyze(task, picture)
        frames = [await engines.track(task, picture, timestamp_ms=33 * number) for number in range(1, 4)]

    (one,) = alone.detections
    for frame in frames:
        (tracked,) = frame.detections
        assert math.dist(_first(tracked), _first(one)) <= TOLERANCE


def _first(detection: dict[str, Any]) -> tuple[float, float]:
    return detection["landmarks"][0]["x"], detection["landmarks"][0]["y"]


async def test_the_mask_covers_the_person_and_not_the_background(models_folder: Path) -> None:
    async with open_engines(models_folder) as engines:
        found = await engines.analyze("segmentation", photo("business_person.png").read(), inline_mask=True)

    (people,) = found.detections
    mask = np.asarray(Image.open(io.BytesIO(base64.b64decode(people["mask"]["png"]))))
    height, width = mask.shape
    assert (people["mask"]["width"], people["mask"]["height"]) == (width, height)
    assert (width, height) == (found.head["analyzedWidth"], found.head["analyzedHeight"])
    assert mask[round(0.25 * height), round(0.53 * width)] > 200  # the face
    assert mask[round(0.25 * height), round(0.05 * width)] < 50  # the white wall
    assert people["mask"]["coverage"] == pytest.approx(float((mask >= 128).mean()), abs=0.001)
    assert 0.45 <= people["mask"]["coverage"] <= 0.65
    assert people["box"]["height"] > 0.9


async def test_a_mask_is_only_in_the_json_where_it_is_wanted(models_folder: Path) -> None:
    async with open_engines(models_folder) as engines:
        found = await engines.analyze("segmentation", photo("astronaut.png").read())

    assert found.detections[0]["mask"].keys() == {"width", "height", "coverage"}


@pytest.mark.parametrize("task", ["face-detection", "face-landmarks", "pose"])
async def test_a_confidence_that_nothing_reaches_finds_nothing(task: str, models_folder: Path) -> None:
    async with open_engines(models_folder) as engines:
        found = await engines.analyze(task, photo("astronaut.png").read(), min_confidence=1.0)

    assert found.detections == []
