"""The head around a face: all of it, however it is turned."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.landmarks import Detection
from app.vision.head import HALF_HEIGHT, HALF_WIDTH, RAISED, head_of

WIDTH, HEIGHT = 800, 600


def turned_face(degrees: float, side: float = 100.0, middle: tuple[float, float] = (400.0, 300.0)) -> Detection:
    """Return a face turned clockwise around the middle of its box."""
    angle = math.radians(degrees)
    eyes = [(-0.2, -0.15), (0.2, -0.15)]
    placed = [
        (
            middle[0] + side * (x * math.cos(angle) - y * math.sin(angle)),
            middle[1] + side * (x * math.sin(angle) + y * math.cos(angle)),
        )
        for x, y in eyes
    ]
    return {
        "landmarks": [{"x": x / WIDTH, "y": y / HEIGHT, "z": 0.0} for x, y in placed],
        "box": {
            "x": (middle[0] - side / 2) / WIDTH,
            "y": (middle[1] - side / 2) / HEIGHT,
            "width": side / WIDTH,
            "height": side / HEIGHT,
        },
        "score": 0.9,
    }


def test_the_head_of_an_upright_face_is_taller_than_wide_and_reaches_above_it() -> None:
    head = head_of(turned_face(0), WIDTH, HEIGHT)

    assert head.width * WIDTH == pytest.approx(200 * HALF_WIDTH)
    assert head.height * HEIGHT == pytest.approx(200 * HALF_HEIGHT)
    assert head.centre == pytest.approx((0.5, (300 - 100 * RAISED) / HEIGHT))


def test_the_head_of_a_face_that_lies_is_wider_than_tall_and_reaches_aside() -> None:
    head = head_of(turned_face(90), WIDTH, HEIGHT)

    assert head.width * WIDTH == pytest.approx(200 * HALF_HEIGHT)
    assert head.height * HEIGHT == pytest.approx(200 * HALF_WIDTH)
    assert head.centre == pytest.approx(((400 + 100 * RAISED) / WIDTH, 0.5))


@given(st.floats(-180, 180), st.floats(0, 360))
def test_the_oval_in_the_rectangle_holds_the_turned_oval_of_the_head(degrees: float, at: float) -> None:
    head = head_of(turned_face(degrees), WIDTH, HEIGHT)
    angle, around = math.radians(degrees), math.radians(at)
    across, down = 100 * HALF_WIDTH * math.cos(around), 100 * (HALF_HEIGHT * math.sin(around) - RAISED)
    x = 400 + across * math.cos(angle) - down * math.sin(angle)
    y = 300 + across * math.sin(angle) + down * math.cos(angle)

    from_centre = (
        (x - head.centre[0] * WIDTH) / (head.width * WIDTH / 2),
        (y - head.centre[1] * HEIGHT) / (head.height * HEIGHT / 2),
    )

    assert math.hypot(*from_centre) <= 1.01
