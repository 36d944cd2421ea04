"""Make faces unrecognisable.

The rule: nothing is left of a head but the means of a grid of at most `CELLS` cells across its longer side, which is
2.5 widths of the face or more: little more than one across the face. People begin to fail at 15 across it (T. Bachmann,
"Identification of Spatially Quantised Tachistoscopic Images of Faces", Eur. Journal of Cognitive Psychology 3, 1991,
pp. 87-103), but networks can be trained to tell people by mosaics that say nothing to an eye (R. McPherson et al.,
"Defeating Image Obfuscation with Deep Learning", arXiv:1609.00408, 2016). A mean cannot be turned back into what it was
made of; a Gaussian blur of any sigma can, to a degree, so `blur` is the same few means, drawn smoothly and paler.

How few is measured, by a second rule: nothing that a detector takes for a face has its middle on a hidden head. Of
three photos at six sizes, 160 to 800 pixels wide, one look at a confidence of 0.5 breaks it in 6 of 18 at 5 cells drawn
smoothly, 3 at 4 cells and none at 3; as a mosaic in 1, none and none; with a rectangle or an oval in none. The search,
which looks closely, finds nothing in any. What one look sees beside the heads is there without them: a jacket with
crossed arms is a face at 0.50 to 0.57 below whatever hides the head, and at 0.7 where all above it is painted white.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from app.domain.face_style import FaceStyle
from app.errors import InvalidParameter
from app.images.operation import Explained, Painting, Scene, Sheet

if TYPE_CHECKING:
    from PIL import Image

CELLS = 3
"""Across the longer side of a head."""

_BICUBIC, _NEAREST, _BOX = 3, 0, 4
_PATCH_BYTES = 26
"""For each pixel of what is drawn of a head: cut out, premultiplied, drawn, cropped, its mean, both mixed (4 bytes
each), and the mask."""

_PALER = 0.3
"""Of the mean of all: what is left of light and shadow."""


@dataclass(frozen=True, slots=True)
class AnonymizeParams:
    anonymize: Annotated[
        Literal["faces"] | None, Explained("`faces`: make every face that is found unrecognisable.")
    ] = None
    anonymize_style: Annotated[
        FaceStyle,
        Explained(
            "`blur`: an oval of a few soft colours; `pixelate`: large blocks; `solid`: a black rectangle; "
            "`oval`: a dark oval."
        ),
    ] = "blur"


@dataclass(frozen=True, slots=True)
class _Patch:
    """A head in a picture, in its pixels: the rectangle around it, which may stand out of the picture, and the part of
    that which is seen. `cell` is the side of what becomes one colour."""

    around: tuple[float, float, float, float]
    seen: tuple[int, int, int, int]
    cell: int

    @property
    def size(self) -> tuple[int, int]:
        left, top, right, bottom = self.seen
        return right - left, bottom - top

    @property
    def spread(self) -> int:
        """Pixels of what is drawn of it: whole cells."""
        width, height = self.size
        return (width + self.cell) * (height + self.cell)


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
        return bool(params.anonymize)

    @classmethod
    def peak_bytes(cls, params: Any, sheet: Sheet, scene: Scene) -> int:  # noqa: ARG003
        size = (sheet.width, sheet.height)
        if scene.placement.cut_to is not None:  # where it will be cut only its pixels tell: a head may be all of it
            spread = (CELLS + 1) ** 2 * sheet.pixels // CELLS**2
        else:
            spread = max((patch.spread for patch in _patches(scene, size)), default=0)
        return sheet.nbytes + _PATCH_BYTES * spread

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
        left, top, right, bottom = around = scene.placement.pixels(face)
        seen = (
            max(0, math.floor(left)),
            max(0, math.floor(top)),
            min(size[0], math.ceil(right)),
            min(size[1], math.ceil(bottom)),
        )
        if seen[0] < seen[2] and seen[1] < seen[3]:
            yield _Patch(around, seen, max(1, math.ceil(max(right - left, bottom - top) / CELLS)))


def _soften(image: Image.Image, patch: _Patch) -> None:
    drawn = _means(image, patch, _BICUBIC)
    mean = drawn.resize((1, 1), _BOX).resize(drawn.size)
    image.paste(_blend(drawn, mean), patch.seen, _oval(patch))


def _mosaic(image: Image.Image, patch: _Patch) -> None:
    image.paste(_means(image, patch, _NEAREST), patch.seen)


def _means(image: Image.Image, patch: _Patch, resampling: int) -> Image.Image:
    """Return what is seen of a head as the means of its cells; `resampling` draws them."""
    own = image.crop(patch.seen)
    premultiplied = own.convert("RGBa") if own.mode == "RGBA" else own
    means = premultiplied.reduce(patch.cell)
    drawn = means.resize((means.width * patch.cell, means.height * patch.cell), resampling)
    return drawn.crop((0, 0, *patch.size)).convert(image.mode)


def _blend(drawn: Image.Image, mean: Image.Image) -> Image.Image:
    from PIL import Image

    return Image.blend(drawn, mean, _PALER)


def _black_rectangle(image: Image.Image, patch: _Patch) -> None:
    image.paste(_BLACK[image.mode], patch.seen)


def _dark_oval(image: Image.Image, patch: _Patch) -> None:
    image.paste(_DARK[image.mode], patch.seen, _oval(patch))


def _oval(patch: _Patch) -> Image.Image:
    """Return a mask of what is seen of the ellipse in a head's rectangle."""
    from PIL import Image, ImageDraw

    left, top = patch.seen[:2]
    x, y, right, bottom = patch.around
    mask = Image.new("L", patch.size)
    ImageDraw.Draw(mask).ellipse((x - left, y - top, right - left, bottom - top), fill=255)
    return mask


_BLACK: dict[str, Any] = {"L": 0, "RGB": (0, 0, 0), "RGBA": (0, 0, 0, 255)}
_DARK: dict[str, Any] = {"L": 32, "RGB": (32, 32, 32), "RGBA": (32, 32, 32, 255)}

_DRAWINGS: dict[FaceStyle, Callable[[Image.Image, _Patch], None]] = {
    "blur": _soften,
    "pixelate": _mosaic,
    "solid": _black_rectangle,
    "oval": _dark_oval,
}
