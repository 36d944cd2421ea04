"""In which size a picture is looked at for its faces."""

from __future__ import annotations

import math

from app.domain.analysis_size import AnalysisSize
from app.images.framing import placed
from app.images.placement import Size
from app.images.transform import Transform

_CLOSER = 2.0
"""A finder sees faces of 24 pixels. What is hidden is looked for in twice the size in which the answer shows it: of a
face below 12 pixels of the answer, from brow to chin, nobody knows who it is."""

_LEAST_SIDE = 640
_FOR_GRAVITY = 1024
"""Longer side; to cut around faces of 24 of 1024 pixels would show nothing of them."""


def look_size(transform: Transform, upright: Size) -> AnalysisSize:
    """Return in which box an upright picture of this size is looked at for a transform that needs its faces."""
    longest = max(upright)
    if transform.params("anonymize") is None:
        return AnalysisSize(min(longest, _FOR_GRAVITY), min(longest, _FOR_GRAVITY))
    placement = placed(transform, upright)
    scale = max(
        size / (exact * share)
        for size, exact, share in zip(placement.size, placement.exact_size, placement.part, strict=True)
    )
    side = min(longest, max(_LEAST_SIDE, math.ceil(_CLOSER * scale * longest)))
    return AnalysisSize(side, side)
