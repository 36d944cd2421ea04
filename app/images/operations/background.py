"""Lay the picture on a colour: the box of `fit=contain`, and what is transparent where the format has no alpha."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from app.images.operation import Explained, Painting, Scene, Sheet

if TYPE_CHECKING:
    from PIL import Image


_OPAQUE = 255


@dataclass(frozen=True, slots=True)
class BackgroundParams:
    background: Annotated[
        str,
        Explained(
            "`rrggbb` or `rrggbbaa`, hexadecimal: the rest of the box of `fit=contain`, and what transparent pixels "
            "become where the format has no alpha.",
            pattern=r"^(?:[0-9a-fA-F]{6}|[0-9a-fA-F]{8})$",
        ),
    ] = "ffffff"


class Background(Painting):
    name = "background"
    summary = "lay it on a colour"
    Params = BackgroundParams

    @classmethod
    def settled(cls, params: Any) -> Any:
        colour = params.background.lower()
        return BackgroundParams(colour[:6] if colour.endswith("ff") and len(colour) == 8 else colour)

    @classmethod
    def is_wanted(cls, params: Any) -> bool:  # noqa: ARG003
        """Always: a box is filled up, and a format without alpha is served, without being asked for."""
        return True

    @classmethod
    def result(cls, params: Any, sheet: Sheet, scene: Scene) -> Sheet:
        width, height = scene.placement.canvas
        framed = (width, height) != (sheet.width, sheet.height)
        if not framed and sheet.channels != 4:
            return sheet
        clear = sheet.channels == 4 or _colour(params.background)[3] < _OPAQUE
        return Sheet(width, height, 4 if clear and scene.keeps_alpha else 3)

    @classmethod
    def peak_bytes(cls, params: Any, sheet: Sheet, scene: Scene) -> int:  # noqa: ARG003
        """The picture and the canvas; where nothing is to be done, only the picture."""
        width, height = scene.placement.canvas
        fits = (width, height) == (sheet.width, sheet.height)
        if fits and (sheet.channels != 4 or scene.keeps_alpha):
            return sheet.nbytes
        return sheet.nbytes + 4 * sheet.pixels + 4 * width * height

    @classmethod
    def paint(cls, params: Any, image: Image.Image, scene: Scene) -> Image.Image:
        """See `Painting.paint`. What is transparent in the picture stays so where the format can be."""
        from PIL import Image as Pillow

        canvas, colour = scene.placement.canvas, _colour(params.background)
        framed = image.size != canvas
        if not framed and (image.mode != "RGBA" or scene.keeps_alpha):
            return image
        if scene.keeps_alpha and (image.mode == "RGBA" or colour[3] < _OPAQUE):
            ground = Pillow.new("RGBA", canvas, colour)
            ground.paste(image if image.mode == "RGBA" else image.convert("RGBA"), scene.placement.corner)
            return ground
        ground = Pillow.new("RGB", canvas, _on_white(colour))
        ground.paste(image, scene.placement.corner, image if image.mode == "RGBA" else None)
        return ground


def _colour(text: str) -> tuple[int, int, int, int]:
    """Return red, green, blue and alpha."""
    red, green, blue, alpha = bytes.fromhex(text if len(text) == 8 else f"{text}ff")
    return red, green, blue, alpha


def _on_white(colour: tuple[int, int, int, int]) -> tuple[int, int, int]:
    """Return what is seen of a colour that is laid on white: nothing else is behind it where nothing can be clear."""
    alpha = colour[3]
    red, green, blue = ((value * alpha + 255 * (255 - alpha) + 127) // 255 for value in colour[:3])
    return red, green, blue
