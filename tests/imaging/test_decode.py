from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from app.domain.analysis_size import AnalysisSize
from app.errors import BallastError, InvalidMedia, TooManyPixels
from app.imaging.decode import RgbArray, decode_picture
from app.imaging.header import read_header
from tests.imaging.pictures import encode, exif, multi_scan_jpeg, png_bomb, resized_header, samples, scene, with_alpha

BOX = AnalysisSize(64, 48)
MAX_PIXELS = 50_000_000
RED, GREEN, BLUE, YELLOW = (230, 20, 20), (20, 200, 20), (20, 20, 230), (230, 220, 20)

# What shows the picture that is stored, for each orientation; EXIF 2.32, 4.6.4.
UNDO = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def over_white(image: Image.Image) -> Image.Image:
    layered = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, (255, 255, 255, 255)), layered).convert("RGB")


def difference(rgb: RgbArray, expected: Image.Image) -> float:
    small = expected.resize((rgb.shape[1], rgb.shape[0]), Image.Resampling.BOX)
    return float(np.abs(rgb.astype(int) - np.asarray(small).astype(int)).mean())


@pytest.mark.parametrize("size", [(200, 140), (333, 61), (61, 333), (64, 48), (50, 20), (1, 1), (1, 300)])
@pytest.mark.parametrize("name", ["jpeg", "png", "webp", "avif", "heic"])
@pytest.mark.parametrize(
    ("resample", "tolerance"),
    [(Image.Resampling.NEAREST, 5), (Image.Resampling.BILINEAR, 4)],
    ids=["nearest", "bilinear"],
)
def test_a_picture_is_decoded_to_the_analysis_size(
    name: str, size: tuple[int, int], resample: Image.Resampling, tolerance: float
) -> None:
    image = scene(*size)
    encoded = encode(image, name)

    frame = decode_picture(encoded, BOX, MAX_PIXELS, resample)

    assert frame.rgb.shape == (*reversed(BOX.fit(*size)), 3)
    assert frame.rgb.dtype == np.uint8
    assert frame.rgb.flags.c_contiguous
    assert (frame.width, frame.height) == size
    assert difference(frame.rgb, Image.open(io.BytesIO(encoded)).convert("RGB")) < tolerance


@pytest.mark.parametrize("size", [(100, 75), (127, 95), (96, 40)])
@pytest.mark.parametrize("name", ["jpeg", "png"])
def test_the_nearest_pixels_are_not_shifted_against_the_averaged_ones(name: str, size: tuple[int, int]) -> None:
    encoded = encode(scene(*size), name)

    nearest = decode_picture(encoded, BOX, MAX_PIXELS, Image.Resampling.NEAREST).rgb.astype(int)
    averaged = decode_picture(encoded, BOX, MAX_PIXELS, Image.Resampling.BILINEAR).rgb.astype(int)

    def off(rows: int, columns: int) -> float:
        shifted = np.roll(nearest, (rows, columns), (0, 1))[2:-2, 2:-2]
        return float(np.abs(shifted - averaged[2:-2, 2:-2]).mean())

    assert off(0, 0) == min(off(rows, columns) for rows in (-1, 0, 1) for columns in (-1, 0, 1))


@pytest.mark.parametrize(
    ("mode", "name"),
    [
        ("L", "jpeg"), ("CMYK", "jpeg"), ("L", "png"), ("1", "png"), ("P", "png"), ("LA", "png"), ("RGBA", "png"),
        ("P", "gif"), ("L", "gif"), ("RGBA", "webp"), ("RGBA", "avif"), ("L", "avif"), ("RGBA", "heic"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("size", [(400, 300), (100, 75)])
def test_every_mode_comes_out_as_rgb_over_white(mode: str, name: str, size: tuple[int, int]) -> None:
    source = with_alpha(scene(*size)) if mode in ("RGBA", "LA") else scene(*size)
    encoded = encode(source.convert(mode, dither=Image.Dither.NONE, palette=Image.Palette.ADAPTIVE), name)

    frame = decode_picture(encoded, BOX, MAX_PIXELS)

    assert difference(frame.rgb, over_white(Image.open(io.BytesIO(encoded)))) < 4


def test_16_bit_grey_is_scaled_and_not_clipped() -> None:
    ramp = np.linspace(0, 65535, 400, dtype=np.uint16)[np.newaxis, :].repeat(300, axis=0)
    encoded = encode(Image.fromarray(ramp), "png")

    frame = decode_picture(encoded, BOX, MAX_PIXELS)

    assert frame.rgb[24, :, 0].tolist() == pytest.approx(np.linspace(2, 253, 64).tolist(), abs=3)


@pytest.mark.parametrize("mode", ["L", "RGB", "P"])
def test_a_transparent_colour_becomes_white(mode: str) -> None:
    image = Image.new("RGB", (400, 300), (10, 10, 10))
    image.paste((200, 200, 200), (0, 0, 200, 300))
    stored = image.convert(mode) if mode != "P" else image.quantize(2)
    key = stored.getpixel((399, 0))

    frame = decode_picture(encode(stored, "png", transparency=key), BOX, MAX_PIXELS)

    assert frame.rgb[20, 10].tolist() == pytest.approx([200, 200, 200], abs=2)
    assert frame.rgb[20, 55].tolist() == pytest.approx([255, 255, 255], abs=2)


def test_colours_under_full_transparency_do_not_bleed() -> None:
    image = Image.new("RGBA", (400, 300), (255, 0, 0, 0))
    image.paste((0, 0, 255, 255), (0, 0, 200, 300))

    frame = decode_picture(encode(image, "png"), BOX, MAX_PIXELS)

    red, _, blue = (frame.rgb[..., channel].astype(int) for channel in range(3))
    assert (red <= blue + 2).all()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["jpeg", "png", "webp", "avif", "heic"])
def test_all_four_corners_are_where_they_belong(name: str, orientation: int) -> None:
    upright = Image.new("RGB", (320, 240), RED)
    upright.paste(GREEN, (160, 0, 320, 120))
    upright.paste(BLUE, (0, 120, 160, 240))
    upright.paste(YELLOW, (160, 120, 320, 240))
    undo = UNDO[orientation]
    stored = upright if undo is None else upright.transpose(undo)

    frame = decode_picture(encode(stored, name, exif=exif(orientation)), BOX, MAX_PIXELS)

    assert (frame.width, frame.height) == (320, 240)
    corners = [frame.rgb[y, x].tolist() for y, x in ((4, 4), (4, 59), (43, 4), (43, 59))]
    for corner, expected in zip(corners, (RED, GREEN, BLUE, YELLOW), strict=True):
        assert corner == pytest.approx(list(expected), abs=12)


def test_a_portrait_is_fitted_into_the_upright_box() -> None:
    frame = decode_picture(encode(scene(320, 240), "jpeg", exif=exif(6)), BOX, MAX_PIXELS)

    assert frame.rgb.shape == (64, 48, 3)
    assert (frame.width, frame.height) == (240, 320)


@pytest.mark.parametrize("kind", ["apng", "webp animated", "gif animated"])
def test_the_first_frame_of_an_animation_is_taken(kind: str) -> None:
    frame = decode_picture(samples()[kind], BOX, MAX_PIXELS)

    assert difference(frame.rgb, scene()) < 6


def test_a_sequential_jpeg_in_several_scans_is_decoded() -> None:
    assert decode_picture(multi_scan_jpeg(200, 140), BOX, MAX_PIXELS).rgb.shape == (45, 64, 3)


@pytest.mark.parametrize("view", [bytes, bytearray, memoryview])
def test_any_bytes_like_object_will_do(view: type) -> None:
    frame = decode_picture(view(samples()["png"]), BOX, MAX_PIXELS)

    assert (frame.width, frame.height) == (200, 140)


@pytest.mark.parametrize("kind", sorted(set(samples()) - {"gif animated", "apng", "webp animated"}))
def test_a_truncated_body_is_invalid(kind: str) -> None:
    whole = samples()[kind]

    with pytest.raises(InvalidMedia):
        decode_picture(whole[: len(whole) * 6 // 10], BOX, MAX_PIXELS)


def test_a_bomb_is_refused_by_its_header() -> None:
    bomb = png_bomb(20000, 20000)
    assert len(bomb) < 100_000

    with pytest.raises(TooManyPixels) as caught:
        decode_picture(bomb, BOX, MAX_PIXELS)

    assert caught.value.extra == {"pixels": 400_000_000, "limitPixels": MAX_PIXELS}


@pytest.mark.parametrize(
    ("kind", "layout", "shown", "huge"),
    [
        ("gif", "<HH", (200, 140), (65535, 65535)),
        ("jpeg progressive", ">HH", (140, 200), (20000, 20000)),
        ("jpeg scans", ">HH", (140, 200), (20000, 20000)),
        ("jpeg", ">HH", (140, 200), (65000, 65000)),
        ("avif", ">II", (200, 140), (20000, 20000)),
        ("heic", ">II", (200, 140), (20000, 20000)),
        ("webp", "<HH", (200, 140), (16383, 16383)),
    ],
)
def test_giants_of_every_format_are_refused(
    kind: str, layout: str, shown: tuple[int, int], huge: tuple[int, int]
) -> None:
    data = samples()[kind]
    if kind == "webp":  # extended: the canvas is what counts
        data = data.replace(b"\xc7\0\0\x8b\0\0", b"\xff\x3f\0\xff\x3f\0", 1)
    else:
        data = resized_header(data, shown, huge, layout)

    with pytest.raises(TooManyPixels):
        decode_picture(data, BOX, MAX_PIXELS)


def test_a_large_baseline_jpeg_counts_at_its_scale() -> None:
    picture = encode(Image.new("RGB", (3000, 2000)), "jpeg")

    frame = decode_picture(picture, BOX, max_pixels=375 * 250)

    assert (frame.width, frame.height) == (3000, 2000)
    with pytest.raises(TooManyPixels):
        decode_picture(picture, BOX, max_pixels=375 * 250 - 1)


def test_a_decoder_that_sees_another_size_is_not_trusted() -> None:
    gif = samples()["gif"]
    webp = samples()["webp"].replace(b"\xc7\0\0\x8b\0\0", b"\x0f\0\0\x0f\0\0", 1)

    with pytest.raises(InvalidMedia):
        decode_picture(webp, BOX, MAX_PIXELS)
    assert decode_picture(gif, BOX, MAX_PIXELS).width == 200


@pytest.mark.filterwarnings("ignore")  # Pillow warns of odd metadata; only errors count here
@pytest.mark.parametrize("kind", samples())
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_mutated_pictures_raise_only_our_errors(kind: str, data: st.DataObject) -> None:
    mutant = bytearray(samples()[kind])
    for _ in range(data.draw(st.integers(1, 8))):
        mutant[data.draw(st.integers(0, len(mutant) - 1))] = data.draw(st.integers(0, 255))
    del mutant[data.draw(st.integers(len(mutant) // 2, 2 * len(mutant))) :]

    try:
        frame = decode_picture(bytes(mutant), BOX, 1_000_000)
    except BallastError:
        return

    assert frame.rgb.shape[:2] == BOX.fit(frame.width, frame.height)[::-1]
    assert (frame.width, frame.height) == read_header(bytes(mutant)).upright
