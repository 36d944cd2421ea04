"""What is drawn on a picture for one thing that was found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Sketch:
    """What is drawn for one detection, in coordinates 0..1 of the picture; what lies outside is cut off.

    `connections` are pairs of indexes into `points`; `box` is (left, top, width, height).
    """

    points: Sequence[Point] = ()
    connections: Sequence[tuple[int, int]] = ()
    box: tuple[float, float, float, float] | None = None
    label: str = ""
