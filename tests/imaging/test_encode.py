from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from app.imaging.encode import encode_jpeg, encode_png
from app.imaging.header import read_header
from tests.imaging.pictures import scene


@pytest.mark.parametrize("encoder", [encode_jpeg, encode_png])
def test_an_encoded_picture_shows_what_was_given(encoder: object) -> None:
    rgb = np.asarray(scene())
    assert callable(encoder)

    encoded = encoder(rgb)

    decoded = np.asarray(Image.open(io.BytesIO(encoded)).convert("RGB")).astype(int)
    assert np.abs(decoded - rgb).mean() < 4
    assert (read_header(encoded).width, read_header(encoded).height) == (200, 140)


def test_less_quality_takes_fewer_bytes() -> None:
    rgb = np.asarray(scene())

    assert len(encode_jpeg(rgb, 40)) < len(encode_jpeg(rgb, 95))


def test_less_effort_packs_less() -> None:
    rgb = np.asarray(scene())

    assert len(encode_png(rgb, effort=0.0)) > len(encode_png(rgb, effort=1.0))


def test_a_mask_stays_grey_and_exact() -> None:
    mask = (np.arange(48 * 64).reshape(48, 64) % 256).astype(np.uint8)

    encoded = encode_png(mask)

    assert read_header(encoded).channels == 1
    assert (np.asarray(Image.open(io.BytesIO(encoded))) == mask).all()
