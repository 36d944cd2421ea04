"""Mirror the picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from app.domain.region import Region
from app.images.operation import Explained, Framing
from app.images.placement import Placement
from app.images.turn import Turn


@dataclass(frozen=True, slots=True)
class FlipParams:
    flip: Annotated[
        Literal["horizontal", "vertical", "both"] | None,
        Explained("`horizontal` swaps left and right, `vertical` top and bottom; after `rotate`."),
    ] = None


class Flip(Framing):
    name = "flip"
    summary = "mirror the picture"
    Params = FlipParams

    @classmethod
    def frame(cls, params: Any, placement: Placement, faces: Sequence[Region]) -> Placement:  # noqa: ARG003
        turn = Turn(mirrored_x=params.flip in ("horizontal", "both"), mirrored_y=params.flip in ("vertical", "both"))
        return placement.turned(turn)
