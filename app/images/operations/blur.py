"""Blur the picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge, Le

from app.images.operation import Explained, Painting, Scene, Sheet

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True, slots=True)
class BlurParams:
    blur: Annotated[
        Annotated[float, Ge(0.3), Le(100)] | None, Explained("Sigma of a Gaussian, in pixels of the answer.")
    ] = None


class Blur(Painting):
    name = "blur"
    summary = "blur it"
    Params = BlurParams

    @classmethod
    def peak_bytes(cls, params: Any, sheet: Sheet, scene: Scene) -> int:  # noqa: ARG003
        """Pillow's Gaussian is three box blurs between two pictures; colours with alpha are premultiplied for it."""
        return 4 * sheet.nbytes

    @classmethod
    def paint(cls, params: Any, image: Image.Image, scene: Scene) -> Image.Image:  # noqa: ARG003
        from PIL import ImageFilter

        blurred = ImageFilter.GaussianBlur(params.blur)
        if image.mode == "RGBA":
            return image.convert("RGBa").filter(blurred).convert("RGBA")
        return image.filter(blurred)
