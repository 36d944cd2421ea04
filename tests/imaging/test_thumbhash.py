"""ThumbHash: the same bytes as the reference implementation makes."""

from __future__ import annotations

import base64
import random

import pytest

from app.imaging.thumbhash import thumbhash

REFERENCE = {
    (20, 12): "3wcGFIKJDJZnp2h6qlXmAImPhg==",
    (9, 30): "3xcGEgSQRshWiXOoSXUQcJ4=",
    (16, 16): "3wcCFwKZe7d2SDOM2XyDBsY6BSpGX6gL",
}
"""By the size of noise: what the package thumbhash 0.1.2, a port of the reference, makes of it."""


def noise(width: int, height: int) -> bytes:
    values = random.Random(7)
    return bytes(one for _ in range(width * height) for one in (*(values.randrange(256) for _ in range(3)), 255))


@pytest.mark.parametrize("size", REFERENCE)
def test_an_opaque_picture_has_the_hash_of_the_reference(size: tuple[int, int]) -> None:
    assert base64.b64encode(thumbhash(noise(*size), size[0])).decode() == REFERENCE[size]


def test_a_plain_picture_has_its_colour_and_no_shapes() -> None:
    found = thumbhash(bytes((255, 0, 0, 255)) * 100, 10)

    head = int.from_bytes(found[:3], "little")
    assert (head & 63, head >> 18 & 31) == (21, 0)  # a third of the light, and no cosine
    assert set(found[5:]) == {0}


@pytest.mark.parametrize("alpha", [0, 127])
def test_transparency_is_told(alpha: int) -> None:
    found = thumbhash(bytes((10, 200, 30, alpha)) * 200, 20)

    assert int.from_bytes(found[:3], "little") >> 23 == 1
    assert found[5] & 15 == round(15 * alpha / 255)


def test_which_side_is_longer_is_told() -> None:
    wide, tall = thumbhash(noise(30, 9), 30), thumbhash(noise(9, 30), 9)

    assert (wide[4] >> 7, tall[4] >> 7) == (1, 0)
    assert len(wide) == len(tall)
