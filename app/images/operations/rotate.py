"""Turn the picture by quarter turns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from app.domain.region import Region
from app.images.operation import Explained, Framing
from app.images.placement import Placement
from app.images.turn import CLOCKWISE


@dataclass(frozen=True, slots=True)
class RotateParams:
    rotate: Annotated[
        Literal[0, 90, 180, 270], Explained("Degrees clockwise. `width` and `height` are those of the turned picture.")
    ] = 0


class Rotate(Framing):
    name = "rotate"
    summary = "turn the picture clockwise"
    Params = RotateParams

    @classmethod
    def frame(cls, params: Any, placement: Placement, faces: Sequence[Region]) -> Placement:  # noqa: ARG003
        return placement.turned(CLOCKWISE[params.rotate])
