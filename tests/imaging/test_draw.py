from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.sketch import Sketch
from app.imaging.decode import RgbArray
from app.imaging.draw import draw_sketches, fit_mask

anywhere = st.floats(allow_nan=True, allow_infinity=True)


def canvas(width: int = 320, height: int = 240, value: int = 128) -> RgbArray:
    return np.full((height, width, 3), value, np.uint8)


def test_the_given_picture_is_left_as_it_was() -> None:
    rgb = canvas()

    drawn = draw_sketches(rgb, [Sketch(points=[(0.5, 0.5)])])

    assert (rgb == 128).all()
    assert drawn.shape == rgb.shape
    assert drawn.dtype == np.uint8


def test_nothing_is_drawn_for_no_sketches() -> None:
    assert (draw_sketches(canvas(), []) == canvas()).all()


@pytest.mark.parametrize("size", [(64, 48), (320, 240), (1920, 1080)])
def test_a_point_lies_where_it_should_at_any_size(size: tuple[int, int]) -> None:
    drawn = draw_sketches(canvas(*size), [Sketch(points=[(0.25, 0.75)])])

    changed = np.argwhere((drawn != 128).any(axis=2))
    assert changed.mean(axis=0) == pytest.approx((0.75 * (size[1] - 1), 0.25 * (size[0] - 1)), abs=1)


def test_a_connection_joins_its_points() -> None:
    drawn = draw_sketches(canvas(), [Sketch(points=[(0.1, 0.5), (0.9, 0.5)], connections=[(0, 1)])])

    assert (drawn[120, 40:280] != 128).any(axis=1).all()


@pytest.mark.parametrize("background", [0, 128, 255])
def test_a_box_stands_out_on_any_background(background: int) -> None:
    drawn = draw_sketches(canvas(value=background), [Sketch(box=(0.25, 0.25, 0.5, 0.5))])

    edge = drawn[100:140, 70:90].astype(int)
    assert np.abs(edge - background).max() > 100
    assert (drawn[110:130, 150:170] == background).all()


def test_a_label_stays_inside_the_picture() -> None:
    unlabelled = draw_sketches(canvas(), [Sketch(box=(0.9, 0.0, 0.1, 0.1))])

    labelled = draw_sketches(canvas(), [Sketch(box=(0.9, 0.0, 0.1, 0.1), label="Right")])

    changed = np.argwhere((labelled != unlabelled).any(axis=2))
    assert len(changed) > 50
    assert changed[:, 1].min() < 288


def test_two_sketches_have_two_colours() -> None:
    lines = Sketch(points=[(0.1, 0.2), (0.9, 0.2)], connections=[(0, 1)])
    others = Sketch(points=[(0.1, 0.8), (0.9, 0.8)], connections=[(0, 1)])

    drawn = draw_sketches(canvas(), [lines, others])

    assert tuple(drawn[round(0.2 * 239), 160]) != tuple(drawn[round(0.8 * 239), 160])


def test_a_point_that_is_no_number_is_left_out_with_its_lines() -> None:
    points = [(0.5, float("nan")), (0.5, 0.5)]

    drawn = draw_sketches(canvas(), [Sketch(points=points, connections=[(0, 1)])])

    assert (drawn == draw_sketches(canvas(), [Sketch(points=points[1:])])).all()


def test_what_a_mask_shows_stays_and_the_rest_is_darkened() -> None:
    mask = np.zeros((24, 32), np.uint8)
    mask[:, :16] = 255

    shaded = draw_sketches(canvas(), [], mask)

    assert shaded.shape == canvas().shape
    assert (shaded[:, :150] == 128).all()
    assert (shaded[:, 170:] < 64).all()


def test_a_mask_of_another_size_keeps_its_place_and_its_soft_edge() -> None:
    mask = np.zeros((24, 32), np.uint8)
    mask[12:, :] = 255

    fitted = fit_mask(mask, (320, 240))

    assert fitted.shape == (240, 320)
    assert (fitted[:110] == 0).all()
    assert (fitted[130:] == 255).all()
    assert 0 < fitted[119, 0] < 255


def test_a_mask_of_the_right_size_is_left_as_it_is() -> None:
    mask = np.arange(12, dtype=np.uint8).reshape(3, 4)

    assert (fit_mask(mask, (4, 3)) == mask).all()


def test_a_connection_to_nowhere_is_an_error() -> None:
    with pytest.raises(IndexError):
        draw_sketches(canvas(), [Sketch(points=[(0.5, 0.5)], connections=[(0, 1)])])


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(anywhere, anywhere), min_size=2, max_size=4),
    st.tuples(anywhere, anywhere, anywhere, anywhere),
    st.text(max_size=12),
    st.sampled_from([(1, 1), (1, 50), (40, 30)]),
)
def test_any_coordinates_can_be_drawn(
    points: list[tuple[float, float]], box: tuple[float, float, float, float], label: str, size: tuple[int, int]
) -> None:
    drawn = draw_sketches(canvas(*size), [Sketch(points, [(0, 1)], box, label)])

    assert drawn.shape == (size[1], size[0], 3)
