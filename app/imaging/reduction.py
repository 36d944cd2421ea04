"""How far a picture is averaged ahead of the last, fine step of a reduction. Numbers only: both sides use it."""

from __future__ import annotations

REDUCING_GAP = 2.0
"""The last step reduces by at least this much: SSIM against one fine step is above 0.99 (Pillow says 'fair' for 2)."""

BAND_PIXELS = 1 << 18
"""Pixels that are converted at a time where a mode cannot be averaged as it is stored."""


def whole_factors(size: tuple[float, float], target: tuple[int, int]) -> tuple[int, int]:
    """Return by which whole numbers both sides are averaged first."""
    return int(size[0] / target[0] / REDUCING_GAP) or 1, int(size[1] / target[1] / REDUCING_GAP) or 1
