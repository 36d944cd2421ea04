"""How alike two pictures look: SSIM. Imports numpy."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Plane = npt.NDArray[np.float64]

_SIGMA, _RADIUS = 1.5, 5
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
_LUMA = (0.299, 0.587, 0.114)
"""Of ITU-R BT.601, as JPEG has it."""


def luma(rgb: npt.NDArray[np.uint8]) -> Plane:
    """Return the brightness of uint8 (H, W, 3), as (H, W) from 0 to 255."""
    brightness: Plane = rgb.astype(np.float64) @ np.array(_LUMA)
    return brightness


def ssim(one: Plane, other: Plane) -> float:
    """Return the mean structural similarity of two planes of one size, at least 11 pixels a side: 1 for equal ones.

    With a Gaussian window of 11 x 11 and a sigma of 1.5, of what lies whole within the picture. Source: Z. Wang et al.,
    "Image Quality Assessment: From Error Visibility to Structural Similarity", IEEE Trans. Image Processing 13, 2004.
    """
    mean_one, mean_other = _blurred(one), _blurred(other)
    variance_one = _blurred(one * one) - mean_one**2
    variance_other = _blurred(other * other) - mean_other**2
    covariance = _blurred(one * other) - mean_one * mean_other
    likeness = (2 * mean_one * mean_other + _C1) * (2 * covariance + _C2)
    return float((likeness / ((mean_one**2 + mean_other**2 + _C1) * (variance_one + variance_other + _C2))).mean())


def _blurred(plane: Plane) -> Plane:
    offsets = np.arange(-_RADIUS, _RADIUS + 1)
    kernel = np.exp(-(offsets**2) / (2 * _SIGMA**2))
    kernel /= kernel.sum()
    height, width = plane.shape[0] - 2 * _RADIUS, plane.shape[1] - 2 * _RADIUS
    down: Plane = sum((kernel[at] * plane[at : at + height] for at in range(len(kernel))), np.zeros(()))
    across: Plane = sum((kernel[at] * down[:, at : at + width] for at in range(len(kernel))), np.zeros(()))
    return across
