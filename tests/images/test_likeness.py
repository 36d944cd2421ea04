"""How much a picture that is reduced the fast way looks like one that is reduced the slow way."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from tests.images.renders import render
from tests.imaging.pictures import encode
from tests.media_files import PHOTO_NAMES, media_folder

pytestmark = pytest.mark.photo

_WINDOW = 8
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2

Plane = npt.NDArray[np.float64]


@pytest.mark.parametrize("name", PHOTO_NAMES)
@pytest.mark.parametrize("width", [200, 400, 800])
@pytest.mark.parametrize("enlarged", [1, 3])
def test_a_reduced_photo_is_like_one_of_a_full_decode(name: str, width: int, enlarged: int) -> None:
    photo = Image.open(media_folder() / name).convert("RGB")
    size = (
        max(photo.width * enlarged, width),
        max(1, photo.height * max(photo.width * enlarged, width) // photo.width),
    )
    jpeg = encode(photo.resize(size, Image.Resampling.BICUBIC), "jpeg", quality=95)
    whole = Image.open(io.BytesIO(jpeg)).convert("RGB")

    found = render(jpeg, width=width, format="png").image

    assert likeness(found, whole.resize(found.size, Image.Resampling.LANCZOS)) >= 0.98


def likeness(first: Image.Image, second: Image.Image) -> float:
    """Return the mean SSIM of two pictures' luma, over windows of 8 pixels (Wang et al., 2004)."""
    x, y = (np.asarray(image.convert("L"), dtype=np.float64) for image in (first, second))
    mean_x, mean_y = _means(x), _means(y)
    variance_x, variance_y = _means(x * x) - mean_x**2, _means(y * y) - mean_y**2
    covariance = _means(x * y) - mean_x * mean_y
    likes = (2 * mean_x * mean_y + _C1) * (2 * covariance + _C2)
    return float((likes / ((mean_x**2 + mean_y**2 + _C1) * (variance_x + variance_y + _C2))).mean())


def _means(plane: Plane) -> Plane:
    sums = np.cumsum(np.cumsum(np.pad(plane, ((1, 0), (1, 0))), 0), 1)
    n = _WINDOW
    means: Plane = (sums[n:, n:] - sums[:-n, n:] - sums[n:, :-n] + sums[:-n, :-n]) / (n * n)
    return means
