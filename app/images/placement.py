"""What is shown of a picture, and how large: all that framing operations decide, before a pixel is decoded.

So that cropping, turning and resizing together take one decode, one resampling and one transposition.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from app.domain.region import WHOLE, Region
from app.images.turn import Turn

Size = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Placement:
    """A view of an upright picture of the size `source`, in pixels.

    `shown` is the part of the upright picture that is seen, `turn` how it lies afterwards, `size` how large it becomes.
    `canvas` is the size of the result where it is larger than the view, which is in its middle. With `cut_to` (width
    over height) a part of that ratio is still to be cut out of the view: where most detail is, which only pixels tell.
    """

    source: Size
    shown: Region
    turn: Turn
    size: Size
    canvas: Size
    cut_to: float | None = None

    @classmethod
    def of(cls, source: Size) -> Placement:
        """Return the view of a whole upright picture as it is."""
        return cls(source, WHOLE, Turn(), source, source)

    @property
    def exact_size(self) -> tuple[float, float]:
        """Width and height, in pixels of the source, of what is shown, as it lies in the view."""
        width, height = self.shown.width * self.source[0], self.shown.height * self.source[1]
        return (height, width) if self.turn.transposed else (width, height)

    def cut(self, part: Region) -> Placement:
        """Show only a part of the view (shares of its sides), in pixels of the source."""
        inner = self.turn.back(part)
        shown = Region(
            self.shown.x + inner.x * self.shown.width,
            self.shown.y + inner.y * self.shown.height,
            inner.width * self.shown.width,
            inner.height * self.shown.height,
        )
        narrowed = replace(self, shown=shown)
        return narrowed.sized(whole_pixels(narrowed.exact_size))

    def turned(self, turn: Turn) -> Placement:
        """Turn the view."""
        size = turn.size(self.size)
        return replace(self, turn=self.turn.then(turn), size=size, canvas=size)

    def sized(self, size: Size, canvas: Size | None = None) -> Placement:
        """Make the view this large, in the middle of a canvas where one is given."""
        return replace(self, size=size, canvas=canvas or size)

    def seen(self, region: Region) -> Region:
        """Return where a region of the upright picture is in the view, in shares of the view's sides."""
        inner = Region(
            (region.x - self.shown.x) / self.shown.width,
            (region.y - self.shown.y) / self.shown.height,
            region.width / self.shown.width,
            region.height / self.shown.height,
        )
        return self.turn.forth(inner)

    def pixels(self, region: Region) -> tuple[float, float, float, float]:
        """Return left, top, right and bottom of a region of the upright picture in pixels of the view."""
        seen = self.seen(region)
        width, height = self.size
        return seen.x * width, seen.y * height, seen.right * width, seen.bottom * height

    @property
    def part(self) -> tuple[float, float]:
        """How much of both sides of the view is left when `cut_to` is cut out of it."""
        if self.cut_to is None:
            return 1.0, 1.0
        width, height = self.exact_size
        return min(1.0, height * self.cut_to / width), min(1.0, width / self.cut_to / height)

    @property
    def covering(self) -> tuple[float, float]:
        """How large the whole upright picture would be at the scale of the view: it need not be decoded larger."""
        part = self.part
        width, height = self.size[0] / part[0], self.size[1] / part[1]
        if self.turn.transposed:
            width, height = height, width
        return width / self.shown.width, height / self.shown.height

    @property
    def corner(self) -> tuple[int, int]:
        """Where the view's left upper corner is on the canvas."""
        return (self.canvas[0] - self.size[0]) // 2, (self.canvas[1] - self.size[1]) // 2


def whole_pixels(size: tuple[float, float]) -> Size:
    """Round a size to whole pixels, at least one."""
    return max(1, math.floor(size[0] + 0.5)), max(1, math.floor(size[1] + 0.5))
