"""Show the picture in large blocks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge, Le

from app.images.operation import Explained, Painting, Scene, Sheet

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True, slots=True)
class PixelateParams:
    pixelate: Annotated[
        Annotated[int, Ge(2), Le(256)] | None, Explained("Side of a block, in pixels of the answer.")
    ] = None


class Pixelate(Painting):
    name = "pixelate"
    summary = "show it in blocks of one colour each"
    Params = PixelateParams

    @classmethod
    def peak_bytes(cls, params: Any, sheet: Sheet, scene: Scene) -> int:  # noqa: ARG003
        side: int = params.pixelate
        blocks = -(-sheet.width // side) * -(-sheet.height // side)
        return 3 * sheet.nbytes + 8 * blocks

    @classmethod
    def paint(cls, params: Any, image: Image.Image, scene: Scene) -> Image.Image:  # noqa: ARG003
        """See `Painting.paint`. A block has the mean colour of its pixels; the last ones are cut at the edge."""
        block, (width, height) = params.pixelate, image.size
        small = image.reduce(block)
        large = small.resize((small.width * block, small.height * block), 0)  # 0: NEAREST
        return large.crop((0, 0, width, height)) if large.size != image.size else large
