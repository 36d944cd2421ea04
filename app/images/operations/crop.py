"""Cut a part out of the upright picture, before it is resized."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from app.domain.region import Region
from app.errors import InvalidParameter
from app.images.operation import Explained, Framing
from app.images.placement import Placement

_NUMBER = r"\d{1,5}(?:\.\d{1,4})?"
_FORM = rf"^(?:{_NUMBER}%?,){{3}}{_NUMBER}%?$"


@dataclass(frozen=True, slots=True)
class CropParams:
    crop: Annotated[
        str | None,
        Explained(
            "`x,y,width,height` in pixels of the upright picture, or each in percent of its side: `10%,0,50%,300`.",
            pattern=_FORM,
        ),
    ] = None


class Crop(Framing):
    name = "crop"
    summary = "cut out a rectangle of the upright picture"
    Params = CropParams

    @classmethod
    def frame(cls, params: Any, placement: Placement, faces: Sequence[Region]) -> Placement:  # noqa: ARG003
        """See `Framing.frame`. What stands out of the picture is left out; what does not touch it is refused."""
        words = params.crop.split(",")
        x, y, width, height = (_share(word, placement.size[at % 2]) for at, word in enumerate(words))
        right, bottom = min(1.0, x + width), min(1.0, y + height)
        if x >= 1 or y >= 1 or width <= 0 or height <= 0:
            size = f"{placement.size[0]}x{placement.size[1]}"
            raise InvalidParameter(f"crop: the rectangle {params.crop} holds nothing of the picture of {size}.")
        return placement.cut(Region(x, y, right - x, bottom - y))


def _share(word: str, side: int) -> float:
    """Return a number of pixels, or of percent, as a share of a side."""
    return float(word[:-1]) / 100 if word.endswith("%") else float(word) / side
