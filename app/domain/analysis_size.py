"""The size at which pictures are analysed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AnalysisSize:
    """The box into which pictures are fitted before they are analysed, in pixels."""

    width: int
    height: int

    def scaled(self, factor: float) -> AnalysisSize:
        return AnalysisSize(round(self.width * factor), round(self.height * factor))

    def fit(self, width: int, height: int) -> tuple[int, int]:
        """Return the size of a `width` x `height` picture inside this box: ratio kept, never enlarged, >= 1 pixel.

        A portrait picture is fitted into the box turned upright.
        """
        box_width, box_height = (self.width, self.height) if width >= height else (self.height, self.width)
        factor = min(1.0, box_width / width, box_height / height)
        return max(1, round(width * factor)), max(1, round(height * factor))
