"""Turn the picture by quarter turns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from annotated_types import Ge, Le, MultipleOf

from app.domain.region import Region
from app.images.operation import Explained, Framing
from app.images.placement import Placement
from app.images.turn import CLOCKWISE


@dataclass(frozen=True, slots=True)
class RotateParams:
    rotate: Annotated[
        Annotated[int, Ge(0), Le(270), MultipleOf(90)],
        Explained("Clockwise: 90, 180 or 270. `width` and `height` are those of the turned one."),
    ] = 0


class Rotate(Framing):
    name = "rotate"
    summary = "turn the picture clockwise"
    Params = RotateParams

    @classmethod
    def frame(cls, params: Any, placement: Placement, faces: Sequence[Region]) -> Placement:  # noqa: ARG003
        return placement.turned(CLOCKWISE[params.rotate])
