"""The eight ways in which a picture can lie: quarter turns and mirrorings, and what follows on one another."""

from __future__ import annotations

from dataclasses import dataclass

from app.domain.region import Region


@dataclass(frozen=True, slots=True)
class Turn:
    """A turn of a picture: rows and columns change places first (`transposed`), then the sides are mirrored."""

    transposed: bool = False
    mirrored_x: bool = False
    mirrored_y: bool = False

    @classmethod
    def of_orientation(cls, orientation: int) -> Turn:
        """Return how a picture of an EXIF orientation (1..8) is turned to stand upright. Source: EXIF 2.32, tag 274."""
        return _ORIENTATIONS[orientation]

    def then(self, other: Turn) -> Turn:
        """Return the turn that is this one and after it `other`."""
        if not other.transposed:
            return Turn(self.transposed, self.mirrored_x ^ other.mirrored_x, self.mirrored_y ^ other.mirrored_y)
        return Turn(not self.transposed, self.mirrored_y ^ other.mirrored_x, self.mirrored_x ^ other.mirrored_y)

    def size(self, size: tuple[int, int]) -> tuple[int, int]:
        """Return width and height of a picture of this size when it is turned; turning back gives them again."""
        return size[::-1] if self.transposed else size

    def forth(self, region: Region) -> Region:
        """Return where a region of the picture is after the turn; shares of the sides."""
        if self.transposed:
            region = Region(region.y, region.x, region.height, region.width)
        return self._mirror(region)

    def back(self, region: Region) -> Region:
        """Return which region of the picture is seen in `region` after the turn."""
        region = self._mirror(region)
        return Region(region.y, region.x, region.height, region.width) if self.transposed else region

    def _mirror(self, region: Region) -> Region:
        x = 1 - region.right if self.mirrored_x else region.x
        y = 1 - region.bottom if self.mirrored_y else region.y
        return Region(x, y, region.width, region.height)


CLOCKWISE = {
    0: Turn(),
    90: Turn(transposed=True, mirrored_x=True),
    180: Turn(mirrored_x=True, mirrored_y=True),
    270: Turn(transposed=True, mirrored_y=True),
}
"""Turns by degrees."""

_ORIENTATIONS = {
    1: Turn(),
    2: Turn(mirrored_x=True),
    3: CLOCKWISE[180],
    4: Turn(mirrored_y=True),
    5: Turn(transposed=True),
    6: CLOCKWISE[90],
    7: Turn(transposed=True, mirrored_x=True, mirrored_y=True),
    8: CLOCKWISE[270],
}
