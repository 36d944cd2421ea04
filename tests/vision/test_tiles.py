"""Where faces are looked for: nothing that is large enough is between two tiles."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.vision.tiles import TILE_SIDE, Level, count_looks, levels

SMALLEST, LARGEST = 24, 46
"""Pixels of a face that one level is for; larger ones are for the next."""

sides = st.integers(1, 3000)


@given(sides, sides, st.data())
def test_a_face_is_whole_in_a_tile_with_something_around_it(width: int, height: int, data: st.DataObject) -> None:
    level = Level(1, width, height)
    face = data.draw(st.integers(SMALLEST, LARGEST))
    x = data.draw(st.integers(0, max(0, width - face)))
    y = data.draw(st.integers(0, max(0, height - face)))
    around = 4

    holding = [
        tile
        for tile in level.tiles()
        if tile.left <= x - around
        and x + face + around <= tile.right
        and tile.top <= y - around
        and y + face + around <= tile.bottom
    ]

    assert holding


@given(sides, sides)
def test_the_last_level_is_seen_at_one_look(width: int, height: int) -> None:
    found = levels(width, height)

    assert found[0] == Level(1, width, height)
    assert [level.looks for level in found].count(1) == 1
    assert found[-1].looks == 1
    (tile,) = found[-1].tiles()
    assert tile.left <= 0 <= found[-1].width <= tile.right
    assert tile.top <= 0 <= found[-1].height <= tile.bottom


@given(sides, sides)
def test_looks_are_counted_without_making_the_tiles(width: int, height: int) -> None:
    assert count_looks(width, height) == sum(len(list(level.tiles())) for level in levels(width, height))


def test_each_level_has_half_the_sides_rounded_up() -> None:
    assert [(level.scale, level.width, level.height) for level in levels(301, 200)] == [
        (1, 301, 200),
        (2, 151, 100),
        (4, 76, 50),
    ]


@pytest.mark.parametrize("size", [(640, 480), (1600, 1200), (4096, 4096)])
def test_the_number_of_looks_follows_the_area(size: tuple[int, int]) -> None:
    area = size[0] * size[1]

    assert area / TILE_SIDE**2 < count_looks(*size) < 5 * area / TILE_SIDE**2
