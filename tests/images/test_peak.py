"""What is predicted for a rendering against what it takes, measured in fresh processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.workers.launch import CHILD_ENVIRONMENT
from tests.imaging.pictures import encode, scene
from tests.imaging.test_cost import KINDS, SMALL

LARGE = (2400, 1600)

Query = dict[str, str]


def measured(folder: Path, kind: str, picture: bytes, query: Query, way: int = 0) -> tuple[int, int]:
    """Return how many bytes a rendering took, and how many were predicted."""
    (folder / "small").write_bytes(KINDS[kind](SMALL))
    (folder / "large").write_bytes(picture)
    command = [
        sys.executable, "-m", "tests.images.peak_child", str(folder / "small"), str(folder / "large"),
        json.dumps(query), str(way),
    ]  # fmt: skip
    # The allocator is a worker's.
    answer = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ | CHILD_ENVIRONMENT)
    taken, predicted = answer.stdout.split()
    return int(taken), int(predicted)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "query", [{"width": "800"}, {"width": "300", "height": "300", "fit": "cover", "gravity": "smart", "rotate": "90"}]
)
def test_a_reduced_picture_of_every_kind_stays_below_its_prediction(tmp_path: Path, kind: str, query: Query) -> None:
    taken, predicted = measured(tmp_path, kind, KINDS[kind](LARGE), {**query, "format": "jpeg"})

    assert taken <= predicted
    assert predicted <= 3 * taken + (24 << 20)  # a guess that is always right by being huge admits nothing


@pytest.mark.parametrize(
    "kind", ["jpeg", "jpeg cmyk", "png alpha", "png palette", "png deep", "webp alpha", "tiff alpha"]
)
@pytest.mark.parametrize("name", ["jpeg", "png", "webp", "avif"])
def test_a_picture_at_its_own_size_stays_below_its_prediction(tmp_path: Path, kind: str, name: str) -> None:
    taken, predicted = measured(tmp_path, kind, KINDS[kind]((1200, 900)), {"format": name})

    assert taken <= predicted


@pytest.mark.parametrize(
    "query",
    [
        {"format": "jpeg", "quality": "95"},
        {"format": "webp", "lossless": "true"},
        {"format": "avif", "lossless": "true"},
        {"format": "avif", "quality": "95"},
        {"crop": "10%,10%,80%,80%", "width": "1000"},
        {"width": "2000", "height": "300", "fit": "fill"},
        {"width": "3000", "height": "2000", "enlarge": "true"},
        {"width": "1500", "height": "1500", "fit": "contain", "format": "png"},
        {"rotate": "270", "flip": "both"},
    ],
)
@pytest.mark.parametrize("kind", ["jpeg", "png alpha"])
def test_whatever_is_asked_for_it_stays_below_its_prediction(tmp_path: Path, kind: str, query: Query) -> None:
    taken, predicted = measured(tmp_path, kind, KINDS[kind]((1200, 900)), query)

    assert taken <= predicted


@pytest.mark.parametrize("width", ["150", "400", "800"])
@pytest.mark.parametrize("name", ["jpeg", "png", "webp", "avif"])
@pytest.mark.parametrize("lossless", ["true", "false"])
def test_a_small_answer_stays_below_its_prediction(tmp_path: Path, width: str, name: str, lossless: str) -> None:
    query = {"width": width, "format": name} | ({"lossless": lossless} if name in ("webp", "avif") else {})

    taken, predicted = measured(tmp_path, "jpeg", KINDS["jpeg"](LARGE), query)

    assert taken <= predicted


@pytest.mark.parametrize(
    ("kind", "query"),
    [
        ("jpeg", {"width": "1200", "format": "jpeg", "quality": "92"}),
        ("jpeg", {"width": "700", "format": "avif"}),
        ("png", {"width": "1600", "format": "avif"}),
    ],
)
def test_the_cheaper_way_takes_less_and_keeps_to_its_prediction(tmp_path: Path, kind: str, query: Query) -> None:
    picture = KINDS[kind](LARGE)

    _, predicted = measured(tmp_path, kind, picture, query)
    taken, cheaper = measured(tmp_path, kind, picture, query, way=1)

    assert taken <= cheaper < predicted


def _animation(name: str) -> bytes:
    images = [scene(400, 300).rotate(10 * number) for number in range(12)]
    return encode(images[0], name, save_all=True, append_images=images[1:], duration=80, loop=0)


@pytest.mark.parametrize("name", ["gif", "webp"])
@pytest.mark.parametrize("query", [{}, {"width": "200"}, {"lossless": "true"}])
def test_an_animation_stays_below_its_prediction(tmp_path: Path, name: str, query: Query) -> None:
    taken, predicted = measured(tmp_path, name, _animation(name), {"frames": "all", **query})

    assert taken <= predicted
