"""Still WebP by libwebp itself."""

from __future__ import annotations

import io
from typing import Any

import pytest
from PIL import Image, ImageChops, ImageStat

from app.imaging.formats.webp import WebP
from app.imaging.header import read_header
from app.imaging.libwebp import WebpImage, is_usable
from tests.imaging.pictures import encode, scene, with_alpha

pytestmark = pytest.mark.skipif(not is_usable(), reason="Pillow uses another libwebp here")

KINDS: dict[str, bytes] = {
    "lossy": encode(scene(203, 141), "webp"),
    "lossless": encode(scene(203, 141), "webp", lossless=True),
    "alpha": encode(with_alpha(scene(203, 141)), "webp", exact=True),
    "lossless alpha": encode(with_alpha(scene(203, 141)), "webp", lossless=True, exact=True),
}


def opened(data: bytes) -> Any:
    return WebP().load_plugin()(io.BytesIO(data))


@pytest.mark.parametrize("kind", KINDS)
def test_the_pixels_are_those_that_pillow_has(kind: str) -> None:
    image = opened(KINDS[kind])
    image.load()
    expected = Image.open(io.BytesIO(KINDS[kind]))

    assert isinstance(image, WebpImage)
    assert image.convert("RGBA").tobytes() == expected.convert("RGBA").tobytes()


@pytest.mark.parametrize("scale", [2, 4, 8])
@pytest.mark.parametrize("kind", ["lossy", "lossless"])
def test_it_is_decoded_smaller_where_that_is_enough(kind: str, scale: int) -> None:
    image = opened(KINDS[kind])
    image.draft(None, (203 // scale, 141 // scale))
    image.load()
    expected = Image.open(io.BytesIO(KINDS[kind])).convert("RGB").resize(image.size, Image.Resampling.BOX)

    assert image.size == (-(-203 // scale), -(-141 // scale))
    difference = ImageStat.Stat(ImageChops.difference(image.convert("RGB"), expected)).mean
    assert max(difference) < 4  # chroma is averaged before it is colour


def test_what_has_alpha_is_not_averaged_as_it_stands() -> None:
    image = opened(KINDS["alpha"])

    assert image.draft(None, (20, 14)) is None
    assert read_header(KINDS["alpha"]).format.scales_of(read_header(KINDS["alpha"])) == ()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.3, 0.95])
def test_a_truncated_one_is_an_error(kind: str, share: float) -> None:
    data = KINDS[kind][: int(len(KINDS[kind]) * share)]

    with pytest.raises(OSError, match="libwebp"):
        opened(data).load()


def test_an_animation_is_left_to_pillow() -> None:
    frames = [Image.new("RGB", (20, 10), colour) for colour in ("red", "blue")]
    data = encode(frames[0], "webp", save_all=True, append_images=frames[1:])

    image = opened(data)

    assert not isinstance(image, WebpImage)
    assert image.n_frames == 2
