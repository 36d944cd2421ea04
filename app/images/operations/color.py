"""Change the colours: grey, brightness, contrast, saturation, in this order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge, Le

from app.images.operation import Explained, Painting, Scene, Sheet

if TYPE_CHECKING:
    from PIL import Image

_Factor = Annotated[float, Ge(0), Le(4)]


@dataclass(frozen=True, slots=True)
class ColorParams:
    grayscale: Annotated[bool, Explained("Take the colours away.")] = False
    brightness: Annotated[_Factor, Explained("0: black, 1: as it is.")] = 1.0
    contrast: Annotated[_Factor, Explained("0: plain grey of the mean brightness, 1: as it is.")] = 1.0
    saturation: Annotated[_Factor, Explained("0: without colours, 1: as it is.")] = 1.0


class Color(Painting):
    name = "color"
    summary = "change its colours, brightness and contrast"
    Params = ColorParams

    @classmethod
    def peak_bytes(cls, params: Any, sheet: Sheet, scene: Scene) -> int:  # noqa: ARG003
        """`ImageEnhance` blends the picture with a degenerate one of the same size."""
        return 4 * sheet.nbytes + sheet.pixels

    @classmethod
    def paint(cls, params: Any, image: Image.Image, scene: Scene) -> Image.Image:  # noqa: ARG003
        """See `Painting.paint`. Luma is Rec. 601's, as Pillow and the CSS filters have it; the mode stays."""
        from PIL import ImageEnhance

        factors = (
            (ImageEnhance.Brightness, params.brightness),
            (ImageEnhance.Contrast, params.contrast),
            (ImageEnhance.Color, 0.0 if params.grayscale else params.saturation),
        )
        for enhancer, factor in factors:
            if factor != 1.0 and not (image.mode == "L" and enhancer is ImageEnhance.Color):
                image = enhancer(image).enhance(factor)
        return image
