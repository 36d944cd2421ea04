"""Lay the picture on a colour: the box of `fit=contain`, and what is transparent where the format has no alpha."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from app.images.operation import Explained, Painting, Scene, Sheet

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True, slots=True)
class BackgroundParams:
    background: Annotated[
        str | None,
        Explained(
            "`rrggbb` or `rrggbbaa`, hexadecimal: what transparent pixels and the box of `fit=contain` become. Without "
            "it they stay transparent where the format can be, and are white elsewhere.",
            pattern=r"^(?:[0-9a-fA-F]{6}|[0-9a-fA-F]{8})$",
        ),
    ] = None


class Background(Painting):
    name = "background"
    summary = "lay it on a colour"
    Params = BackgroundParams

    @classmethod
    def settled(cls, params: Any) -> Any:
        return params if params.background is None else BackgroundParams(params.background.lower())

    @classmethod
    def is_wanted(cls, params: Any) -> bool:  # noqa: ARG003
        """Always: a box is filled up, and a format without alpha is served, without being asked for."""
        return True

    @classmethod
    def result(cls, params: Any, sheet: Sheet, scene: Scene) -> Sheet:
        width, height = scene.placement.canvas
        is_plain = (width, height) == (sheet.width, sheet.height) and sheet.channels != 4
        return Sheet(width, height, sheet.channels if is_plain else 4 if _stays_transparent(params, scene) else 3)

    @classmethod
    def peak_bytes(cls, params: Any, sheet: Sheet, scene: Scene) -> int:  # noqa: ARG003
        """The picture, with alpha if it had none, and the canvas."""
        width, height = scene.placement.canvas
        return sheet.nbytes + 4 * sheet.pixels + 8 * width * height

    @classmethod
    def paint(cls, params: Any, image: Image.Image, scene: Scene) -> Image.Image:
        from PIL import Image as Pillow

        canvas = scene.placement.canvas
        if image.size == canvas and image.mode != "RGBA":
            return image
        transparent = _stays_transparent(params, scene)
        colour = _colour(params.background, transparent)
        if image.size == canvas and transparent and colour[3] == 0:
            return image
        ground = Pillow.new("RGBA", canvas, colour)
        ground.alpha_composite(image if image.mode == "RGBA" else image.convert("RGBA"), scene.placement.corner)
        return ground if transparent else ground.convert("RGB")


def _stays_transparent(params: Any, scene: Scene) -> bool:
    return scene.keeps_alpha and (params.background is None or len(params.background) == 8)


def _colour(text: str | None, transparent: bool) -> tuple[int, ...]:
    """Return red, green, blue and alpha; where nothing can be transparent, it is laid on white."""
    if text is None:
        return (255, 255, 255, 0 if transparent else 255)
    red, green, blue, alpha = bytes.fromhex(text if len(text) == 8 else f"{text}ff")
    if transparent:
        return red, green, blue, alpha
    return (*((value * alpha + 255 * (255 - alpha) + 127) // 255 for value in (red, green, blue)), 255)
