"""Sharpen the picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge, Le

from app.images.operation import Explained, Painting, Scene, Sheet

if TYPE_CHECKING:
    from PIL import Image

_PERCENT = 100
_THRESHOLD = 2
"""An unsharp mask that adds the whole difference, but for differences that are noise."""


@dataclass(frozen=True, slots=True)
class SharpenParams:
    sharpen: Annotated[
        Annotated[float, Ge(0.3), Le(10)] | None,
        Explained("Sigma of the blur whose difference is added (unsharp mask), in pixels of the answer."),
    ] = None


class Sharpen(Painting):
    name = "sharpen"
    summary = "sharpen its edges"
    Params = SharpenParams

    @classmethod
    def peak_bytes(cls, params: Any, sheet: Sheet, scene: Scene) -> int:  # noqa: ARG003
        return 4 * sheet.nbytes

    @classmethod
    def paint(cls, params: Any, image: Image.Image, scene: Scene) -> Image.Image:  # noqa: ARG003
        """See `Painting.paint`. Of a transparent picture the alpha stays as it is."""
        from PIL import ImageFilter

        mask = ImageFilter.UnsharpMask(params.sharpen, _PERCENT, _THRESHOLD)
        if image.mode != "RGBA":
            return image.filter(mask)
        sharpened = image.convert("RGB").filter(mask)
        sharpened.putalpha(image.getchannel("A"))
        return sharpened
