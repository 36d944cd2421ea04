"""What is learned of children's sizes, and kept."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.domain.units import MIB
from app.vision.sizes import LearnedSizes

NAME = "model:hands:hand_landmarker.task"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "sizes.json"


def test_what_was_not_learned_is_as_declared(path: Path) -> None:
    assert LearnedSizes(path).expect(NAME, 54 * MIB) == 54 * MIB


def test_what_one_run_learned_the_next_one_knows(path: Path) -> None:
    first = LearnedSizes(path)
    first.learn(NAME, 40 * MIB)
    first.write()

    second = LearnedSizes(path)
    second.read()

    assert second.expect(NAME, 54 * MIB) == 40 * MIB


def test_more_counts_at_once_and_less_little_by_little(path: Path) -> None:
    sizes = LearnedSizes(path)
    sizes.learn(NAME, 40 * MIB)

    sizes.learn(NAME, 60 * MIB)
    largest = sizes.expect(NAME, 0)
    sizes.learn(NAME, 30 * MIB)
    after_a_small_one = sizes.expect(NAME, 0)
    for _ in range(50):
        sizes.learn(NAME, 30 * MIB)

    assert largest == 60 * MIB
    assert 30 * MIB < after_a_small_one < 60 * MIB
    assert sizes.expect(NAME, 0) == 30 * MIB


@pytest.mark.parametrize("nbytes", [0, 1000, 2**40])
def test_what_no_child_can_have_is_not_learned(nbytes: int, path: Path) -> None:
    sizes = LearnedSizes(path)

    sizes.learn(NAME, nbytes)

    assert sizes.expect(NAME, 54 * MIB) == 54 * MIB


@pytest.mark.parametrize(
    "left", ["", "[1, 2]", '{"a": "much", "b": -1, "c": 9999999999999}', "\x00", '{"a": true}', "[" * 100_000]
)
def test_a_file_that_is_damaged_costs_only_what_was_learned(left: str, path: Path) -> None:
    path.parent.mkdir()
    path.write_text(left)

    sizes = LearnedSizes(path)
    sizes.read()

    assert {sizes.expect(name, 7 * MIB) for name in "abc"} == {7 * MIB}


def test_nothing_is_written_where_nothing_was_learned(path: Path) -> None:
    LearnedSizes(path).write()

    assert not path.exists()


def test_a_disk_that_cannot_be_written_to_is_no_error(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path.parent.write_text("a file in the folder's place")
    sizes = LearnedSizes(path)
    sizes.learn(NAME, 40 * MIB)

    sizes.write()

    assert "cannot be kept" in caplog.text
    assert sizes.expect(NAME, 0) == 40 * MIB


def test_the_file_is_plain_json(path: Path) -> None:
    sizes = LearnedSizes(path)
    sizes.learn(NAME, 40 * MIB)

    sizes.write()

    assert json.loads(path.read_bytes()) == {NAME: 40 * MIB}
