"""Make faces unrecognisable.

The rule: nothing is left of a head but the means of a grid of at most `CELLS` cells across its longer side, which is 2.5
widths of the face or more: about three across the face. People recognise familiar faces from 7 x 10 samples (P. Sinha
et al., "Face Recognition by Humans: Nineteen Results All Computer Vision Researchers Should Know About", Proc. IEEE 94,
2006, result 1), and networks were trained to do so from mosaics of 8 and more samples across it (R. McPherson et al.,
"Defeating Image Obfuscation with Deep Learning", 2016). A mean cannot be turned back into what it was made of; a
Gaussian blur of any sigma can, to a degree, so `blur` is the same few means, drawn smoothly.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from app.domain.region import Region
from app.errors import InvalidParameter
from app.images.operation import Explained, Painting, Scene, Sheet

if TYPE_CHECKING:
    from PIL import Image

CELLS = 8
"""Across the longer side of a head."""

_BILINEAR, _NEAREST = 2, 0
_SMOOTH_MASK = 4
_PATCH_BYTES = 14
"""For each pixel of a head's rectangle: cut out, premultiplied, drawn again (4 bytes each), the mask twice."""


@dataclass(frozen=True, slots=True)
class AnonymizeParams:
    anonymize: Annotated[Literal["faces"] | None, Explained("`faces`: make every face that is found unrecognisable.")] = (
        None
    )
    anonymize_style: Annotated[
        Literal["blur", "pixelate", "solid", "oval"],
        Explained("`blur`: an oval of a few soft colours; `pixelate`: large blocks; `solid`, `oval`: a black shape."),
    ] = "blur"


@dataclass(frozen=True, slots=True)
class _Patch:
    """A head's rectangle in pixels of the picture, which it may stand out of, and the side of a cell."""

    left: int
    top: int
    right: int
    bottom: int
    cell: int

    @property
    def size(self) -> tuple[int, int]:
        return self.right - self.left, self.bottom - self.top

    @property
    def corners(self) -> tuple[int, int, int, int]:
        return self.left, self.top, self.right, self.bottom


class Anonymize(Painting):
    name = "anonymize"
    summary = "make faces unrecognisable, the whole head with hair and chin"
    Params = AnonymizeParams

    @classmethod
    def settled(cls, params: Any) -> Any:
        """See `Operation.settled`."""
        if params.anonymize is None and params != AnonymizeParams():
            raise InvalidParameter("anonymizeStyle says how: it needs anonymize=faces.")
        return params

    @classmethod
    def needs_faces(cls, params: Any) -> bool:
        return params.anonymize is not None

    @classmethod
    def peak_bytes(cls, params: Any, sheet: Sheet, scene: Scene) -> int:  # noqa: ARG003
        patches = (patch.size for patch in _patches(scene, (sheet.width, sheet.height)))
        return sheet.nbytes + _PATCH_BYTES * max((width * height for width, height in patches), default=0)

    @classmethod
    def paint(cls, params: Any, image: Image.Image, scene: Scene) -> Image.Image:
        """See `Painting.paint`."""
        draw = _DRAWINGS[params.anonymize_style]
        for patch in _patches(scene, image.size):
            draw(image, patch)
        return image


def _patches(scene: Scene, size: tuple[int, int]) -> Iterator[_Patch]:
    """Yield the heads of which something is seen in a picture of this size."""
    for face in scene.faces:
        patch = _patch(scene.placement.pixels(face))
        if patch.right > 0 and patch.bottom > 0 and patch.left < size[0] and patch.top < size[1]:
            yield patch


def _patch(corners: tuple[float, float, float, float]) -> _Patch:
    left, top, right, bottom = corners
    longer = max(right - left, bottom - top)
    return _Patch(
        math.floor(left), math.floor(top), math.ceil(right), math.ceil(bottom), max(1, math.ceil(longer / CELLS))
    )
