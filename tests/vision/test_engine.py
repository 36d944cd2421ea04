"""The vision worker with real models on real photos."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from app.errors import InvalidMedia, UnsupportedMedia, WorkerFailed
from tests.media_files import PHOTO_NAMES, photo, photos
from tests.vision.engines import BOX, Found, open_engines

pytestmark = [pytest.mark.model("hand_landmarker.task", "gesture_recognizer.task"), pytest.mark.photo]

WRIST_TOLERANCE = 0.03


def _by_wrist(found: Found) -> list[dict[str, object]]:
    return sorted(found.detections, key=lambda hand: (hand["landmarks"][0]["x"], hand["landmarks"][0]["y"]))


def test_every_photo_with_a_known_answer_is_tested() -> None:
    assert set(PHOTO_NAMES) == set(photos())


@pytest.mark.parametrize("task", ["hands", "gestures"])
@pytest.mark.parametrize("name", PHOTO_NAMES)
async def test_the_hands_of_a_photo_are_found_where_they_are(task: str, name: str, models_folder: Path) -> None:
    known = photo(name)

    async with open_engines(models_folder) as engines:
        found = await engines.analyze(task, known.read())

    hands = _by_wrist(found)
    assert len(hands) == len(known.hands)
    assert {hand["handedness"]["label"] for hand in hands} == {hand.side for hand in known.hands}  # type: ignore[index]
    for hand, expected in zip(hands, known.hands, strict=True):
        _check_hand(hand, expected.wrist)


def _check_hand(hand: dict[str, object], wrist: tuple[float, float]) -> None:
    points = hand["landmarks"]
    world = hand["worldLandmarks"]
    assert isinstance(points, list)
    assert isinstance(world, list)
    assert (len(points), len(world)) == (21, 21)
    assert points[0]["x"] == pytest.approx(wrist[0], abs=WRIST_TOLERANCE)
    assert points[0]["y"] == pytest.approx(wrist[1], abs=WRIST_TOLERANCE)
    assert all(abs(point["x"]) < 0.3 for point in world)  # metres from the middle of the hand


@pytest.mark.parametrize("name", [name for name in PHOTO_NAMES if name != "astronaut.png"])
async def test_the_gestures_of_a_photo_are_named(name: str, models_folder: Path) -> None:
    known = photo(name)

    async with open_engines(models_folder) as engines:
        found = await engines.analyze("gestures", known.read())

    gestures = [hand["gesture"] for hand in _by_wrist(found)]
    assert [gesture["label"] for gesture in gestures] == [hand.gesture for hand in known.hands]  # type: ignore[index]


async def test_a_thumb_up_is_a_thumb_up(models_folder: Path) -> None:
    async with open_engines(models_folder) as engines:
        found = await engines.analyze("gestures", photo("thumb_up.jpg").read())

    (hand,) = found.detections
    assert hand["handedness"]["label"] == "Left"
    assert hand["gesture"]["label"] == "Thumb_Up"
    assert hand["gesture"]["score"] >= 0.8


@pytest.mark.parametrize("name", PHOTO_NAMES)
async def test_the_sizes_are_those_of_the_photo_and_of_the_box(name: str, models_folder: Path) -> None:
    known = photo(name)

    async with open_engines(models_folder) as engines:
        head = (await engines.analyze("hands", known.read())).head

    long, short = max(head["analyzedWidth"], head["analyzedHeight"]), min(head["analyzedWidth"], head["analyzedHeight"])
    assert (head["width"], head["height"]) == (known.width, known.height)
    assert (long, short) <= BOX
    assert short <= BOX[1]
    assert head["analyzedWidth"] / head["analyzedHeight"] == pytest.approx(known.width / known.height, rel=0.01)


@pytest.mark.parametrize("task", ["hands", "gestures"])
async def test_answers_of_two_children_side_by_side_are_those_of_each_photo_alone(
    task: str, models_folder: Path
) -> None:
    pictures = [photo(name).read() for name in PHOTO_NAMES]

    async with open_engines(models_folder, workers=2) as engines:
        alone = [(await engines.analyze(task, picture)).detections for picture in pictures]
        (pool,) = engines.pools.values()
        while len(pool.children) < 2:  # a child more is started where calls wait
            await asyncio.gather(*(engines.analyze(task, pictures[0]) for _ in range(4)))
        together = await asyncio.gather(*(engines.analyze(task, picture) for picture in pictures * 8))

    assert [found.detections for found in together] == alone * 8
    assert len({found.pid for found in together}) == 2


async def test_one_child_serves_picture_after_picture(models_folder: Path) -> None:
    picture = photo("thumb_up.jpg").read()

    async with open_engines(models_folder) as engines:
        answers = [await engines.analyze("hands", picture) for _ in range(3)]

    assert len({found.pid for found in answers}) == 1


async def test_hands_are_answered_by_a_gestures_model_as_by_their_own(models_folder: Path) -> None:
    picture = photo("two_hands_pose.jpg").read()

    async with open_engines(models_folder) as engines:
        own = await engines.analyze("hands", picture)
        lent = await engines.analyze_as("hands", engines.key("gestures", None, {}), picture)

    assert lent.detections == own.detections


async def test_each_set_of_parameters_is_a_model_of_its_own(models_folder: Path) -> None:
    picture = photo("two_hands_pose.jpg").read()

    async with open_engines(models_folder) as engines:
        two = await engines.analyze("hands", picture, max_hands=2)
        one = await engines.analyze("hands", picture, max_hands=1)

    assert [len(found.detections) for found in (two, one)] == [2, 1]
    assert two.pid != one.pid


async def test_a_confidence_that_nothing_reaches_finds_nothing(models_folder: Path) -> None:
    async with open_engines(models_folder) as engines:
        found = await engines.analyze("hands", photo("two_hands_pose.jpg").read(), min_confidence=1.0)

    assert found.detections == []


async def test_a_truncated_bundle_is_a_clean_error_and_other_models_go_on(models_folder: Path, tmp_path: Path) -> None:
    picture = photo("thumb_up.jpg").read()
    cut = tmp_path / "cut.task"
    cut.write_bytes((models_folder / "hand_landmarker.task").read_bytes()[:100_000])

    async with open_engines(models_folder) as engines:
        with pytest.raises(WorkerFailed) as failure:
            await engines.analyze("hands", picture, asset=cut)
        found = await engines.analyze("hands", picture)

    assert str(tmp_path) not in failure.value.detail
    assert len(found.detections) == 1


async def test_a_broken_photo_is_refused_and_the_child_goes_on(models_folder: Path) -> None:
    whole = photo("thumb_up.jpg").read()

    async with open_engines(models_folder) as engines:
        with pytest.raises(InvalidMedia):
            await engines.analyze("hands", whole[: len(whole) // 2])
        with pytest.raises(UnsupportedMedia):
            await engines.analyze("hands", b"not a picture at all")
        found = await engines.analyze("hands", whole)
        (pool,) = engines.pools.values()

        assert pool.statistics.started == 1
    assert len(found.detections) == 1
