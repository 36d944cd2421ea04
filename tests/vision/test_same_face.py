"""A face that was seen several times is one face."""

from __future__ import annotations

from app.domain.landmarks import Detection
from app.vision.same_face import distinct


def face(x: float, y: float, side: float, score: float) -> Detection:
    return {"landmarks": [], "box": {"x": x, "y": y, "width": side, "height": side}, "score": score}


def test_of_boxes_that_lie_upon_each_other_the_surest_is_kept() -> None:
    weak, sure = face(0.1, 0.1, 0.2, 0.7), face(0.12, 0.1, 0.2, 0.9)

    assert distinct([weak, sure]) == [sure]


def test_a_small_box_in_a_large_one_is_the_same_face() -> None:
    large, eyes = face(0.1, 0.1, 0.4, 0.9), face(0.2, 0.2, 0.1, 0.7)

    assert distinct([large, eyes]) == [large]


def test_faces_side_by_side_are_two_even_where_their_boxes_touch() -> None:
    left, right = face(0.1, 0.1, 0.2, 0.8), face(0.25, 0.1, 0.2, 0.9)

    assert distinct([left, right]) == [right, left]


def test_boxes_with_nothing_in_common_are_two() -> None:
    assert len(distinct([face(0.0, 0.0, 0.1, 0.8), face(0.0, 0.5, 0.1, 0.8)])) == 2
