"""A part of a picture."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Region:
    """Left edge, top edge, width and height of a rectangle, each as a share (0..1) of the upright picture's sides.

    It may stand out of the picture, as a face at the border does.
    """

    x: float
    y: float
    width: float
    height: float

    @property
    def right(self) -> float:
        return self.x + self.width

    @property
    def bottom(self) -> float:
        return self.y + self.height

    @property
    def centre(self) -> tuple[float, float]:
        return self.x + self.width / 2, self.y + self.height / 2


WHOLE = Region(0.0, 0.0, 1.0, 1.0)
