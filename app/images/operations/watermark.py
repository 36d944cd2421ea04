"""Lay another picture over this one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from annotated_types import Ge, Le

from app.images.operation import Explained, Painting, Scene, Sheet

if TYPE_CHECKING:
    from PIL import Image

_MARGIN = 1 / 40
"""Of the shorter side of the answer, between a watermark and the border."""


@dataclass(frozen=True, slots=True)
class WatermarkParams:
    watermark: Annotated[str | None, Explained("Id of a stored picture.", pattern=r"^[0-9a-z]{22}$")] = None
    watermark_position: Annotated[
        Literal["center", "north", "northeast", "east", "southeast", "south", "southwest", "west", "northwest"],
        Explained("Where it lies."),
    ] = "southeast"
    watermark_scale: Annotated[
        Annotated[float, Ge(0.01), Le(1)], Explained("Its width, as a share of the answer's.")
    ] = 0.2
    watermark_opacity: Annotated[Annotated[float, Ge(0), Le(1)], Explained("0: not seen, 1: as it is.")] = 0.7


class Watermark(Painting):
    name = "watermark"
    summary = "lay another picture over it"
    Params = WatermarkParams

    @classmethod
    def settled(cls, params: Any) -> Any:
        return params if params.watermark is not None else WatermarkParams()

    @classmethod
    def result(cls, params: Any, sheet: Sheet, scene: Scene) -> Sheet:  # noqa: ARG003
        return Sheet(sheet.width, sheet.height, max(3, sheet.channels))

    @classmethod
    def peak_bytes(cls, params: Any, sheet: Sheet, scene: Scene) -> int:  # noqa: ARG003
        """The picture with alpha, the watermark (no larger than the picture) and its own alpha."""
        return 2 * sheet.nbytes + 12 * sheet.pixels

    @classmethod
    def paint(cls, params: Any, image: Image.Image, scene: Scene) -> Image.Image:
        """See `Painting.paint`. The colours stay those of the picture: RGB becomes no RGBA."""
        mark = scene.watermark
        assert mark is not None
        if params.watermark_opacity < 1:
            mark = mark.copy()
            mark.putalpha(mark.getchannel("A").point(lambda value: round(value * params.watermark_opacity)))
        corner = _corner(params.watermark_position, image.size, mark.size)
        if image.mode == "RGBA":
            image.alpha_composite(mark, corner)
            return image
        base = image if image.mode == "RGB" else image.convert("RGB")
        base.paste(mark, corner, mark)
        return base


def _corner(position: str, size: tuple[int, int], mark: tuple[int, int]) -> tuple[int, int]:
    margin = round(min(size) * _MARGIN)
    x = 1.0 if "east" in position else 0.0 if "west" in position else 0.5
    y = 1.0 if "south" in position else 0.0 if "north" in position else 0.5
    free = size[0] - mark[0], size[1] - mark[1]
    margins = min(margin, free[0] // 2), min(margin, free[1] // 2)
    return (
        margins[0] + round((free[0] - 2 * margins[0]) * x),
        margins[1] + round((free[1] - 2 * margins[1]) * y),
    )
