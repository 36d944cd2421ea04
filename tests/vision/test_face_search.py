"""Faces of any size, at any angle, on photos: what is found, and what is not a face.

The bounds hold with room to spare; `python -m benchmarks.faces` prints all of it, and how it was without the search.
"""

from __future__ import annotations

import io
import math
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from PIL import Image

from app.imaging.cost import image_bytes
from app.imaging.header import read_header
from app.vision.search_cost import search_bytes
from benchmarks.face_scenes import HEADS, Composer, Placed, Scene, matched
from tests.media_files import PHOTO_NAMES, media_folder, photo
from tests.vision.engines import Engines, open_engines

pytestmark = [pytest.mark.model("blaze_face_short_range.tflite"), pytest.mark.photo]

TASK = "face-detection"
BOX = (4096, 4096)
NOSE = 2


@pytest.fixture
async def engines(models_folder: Path) -> AsyncIterator[Engines]:
    async with open_engines(models_folder) as found:
        yield found


@pytest.fixture
def composer() -> Composer:
    return Composer(media_folder())


def encoded(picture: Image.Image, name: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, name, compress_level=1, quality=90)
    return buffer.getvalue()


async def counted(engines: Engines, scene: Scene) -> tuple[int, int]:
    """Return how many faces of a scene are found, and how many more than it has."""
    found = (await engines.search(TASK, encoded(scene.picture), BOX)).detections
    hits = matched(scene, found)
    return hits, len(found) - hits


@pytest.mark.parametrize("face", [24, 40, 96, 256])
@pytest.mark.parametrize("angle", [0, 15, 45, 90])
async def test_faces_of_every_size_and_angle_are_found(
    engines: Engines, composer: Composer, face: int, angle: int
) -> None:
    hits, more = await counted(engines, composer.grid(face, angle))

    assert hits >= 5  # of 6: each of three heads turned to either side
    assert more <= 2


async def test_a_face_that_fills_the_picture_is_found(engines: Engines, composer: Composer) -> None:
    scene = composer.compose((900, 900), [Placed(HEADS[1], (450, 500), 800, 0)])

    assert (await counted(engines, scene))[0] == 1


async def test_a_small_face_is_found_by_the_search_only(engines: Engines, composer: Composer) -> None:
    scene = composer.compose((1280, 960), [Placed(HEADS[0], (300, 700), 28, 0)])
    picture = encoded(scene.picture)

    plain = await engines.analyze(TASK, picture, box=BOX)
    searched = await engines.search(TASK, picture, BOX)

    assert matched(scene, plain.detections) == 0
    assert matched(scene, searched.detections) == 1


@pytest.mark.parametrize(("hidden", "least"), [(0.0, 4), (0.2, 3)])
@pytest.mark.parametrize("face", [40, 120])
async def test_faces_that_the_border_cuts_are_found(
    engines: Engines, composer: Composer, face: int, hidden: float, least: int
) -> None:
    assert (await counted(engines, composer.border(face, hidden)))[0] >= least


@pytest.mark.parametrize("index", [0, 1])
async def test_stones_clothes_and_hands_are_no_faces(engines: Engines, composer: Composer, index: int) -> None:
    empty = list(composer.empty())[index]

    assert (await engines.search(TASK, encoded(empty), BOX)).detections == []


@pytest.mark.parametrize("name", PHOTO_NAMES)
async def test_the_faces_of_a_photo_are_counted_once_and_are_where_they_are(engines: Engines, name: str) -> None:
    known = photo(name)

    found = (await engines.search(TASK, known.read(), BOX)).detections

    noses = known.face_noses or known.pose_noses  # one face is too small for the mesh
    assert len(found) == len(noses)
    for face, nose in zip(found, noses, strict=True):
        seen = face["landmarks"][NOSE]
        assert math.dist((seen["x"], seen["y"]), nose) <= 0.03
        assert face["box"]["width"] * known.width == pytest.approx(face["box"]["height"] * known.height, rel=0.01)


async def test_eyes_tell_how_a_face_is_turned(engines: Engines, composer: Composer) -> None:
    scene = composer.compose((640, 480), [Placed(HEADS[1], (320, 240), 90, 60)])

    (face,) = (await engines.search(TASK, encoded(scene.picture), BOX)).detections

    (right, left) = face["landmarks"][:2]
    angle = math.degrees(math.atan2((left["y"] - right["y"]) * 480, (left["x"] - right["x"]) * 640))
    assert angle == pytest.approx(60, abs=15)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
async def test_a_search_stays_below_its_declared_bytes(engines: Engines, composer: Composer, kind: str) -> None:
    picture = encoded(composer.grid(40, 30).picture.resize((2400, 1800)), kind)
    header = read_header(picture)
    declared = image_bytes(header, header.upright, len(picture)) + search_bytes(*header.upright) + len(picture)
    await engines.search(TASK, picture, (320, 240))  # what is loaded by the first call belongs to the model

    found = await engines.search(TASK, picture, BOX)

    assert found.peak_bytes is not None
    assert found.peak_bytes <= declared
    assert declared <= 3 * found.peak_bytes + (8 << 20)
