"""What each parameter of each operation does to pixels."""

from __future__ import annotations

from typing import Any

import pytest
from PIL import Image, ImageChops, ImageStat

from app.domain.region import Region
from app.errors import InvalidParameter
from tests.images.renders import corners, picture, png, quarters, render
from tests.imaging.pictures import encode, exif, scene

QUARTERS = png(quarters().convert("RGB"))


@pytest.mark.parametrize(
    ("query", "size"),
    [
        ({}, (200, 140)),
        ({"width": 100}, (100, 70)),
        ({"height": 70}, (100, 70)),
        ({"width": 100, "height": 100}, (100, 70)),
        ({"width": 50, "dpr": 2}, (100, 70)),
        ({"width": 50, "dpr": 1.5}, (75, 53)),
        ({"width": 400}, (200, 140)),
        ({"width": 400, "enlarge": True}, (400, 280)),
        ({"width": 100, "height": 100, "fit": "inside"}, (100, 70)),
        ({"width": 100, "height": 100, "fit": "cover"}, (100, 100)),
        ({"width": 100, "height": 100, "fit": "contain"}, (100, 100)),
        ({"width": 100, "height": 100, "fit": "fill"}, (100, 100)),
        ({"width": 400, "height": 400, "fit": "cover"}, (140, 140)),
        ({"width": 400, "height": 400, "fit": "cover", "enlarge": True}, (400, 400)),
        ({"width": 400, "height": 400, "fit": "contain"}, (400, 400)),
        ({"width": 400, "height": 400, "fit": "fill"}, (200, 140)),
        ({"width": 400, "height": 300, "fit": "fill", "enlarge": True}, (400, 300)),
        ({"width": 1, "height": 1}, (1, 1)),
        ({"crop": "10,20,100,50"}, (100, 50)),
        ({"crop": "10%,20%,50%,50%"}, (100, 70)),
        ({"crop": "150,100,500,500"}, (50, 40)),
        ({"crop": "0,0,50%,140", "width": 50}, (50, 70)),
        ({"rotate": 90}, (140, 200)),
        ({"rotate": 180}, (200, 140)),
        ({"rotate": 270, "width": 70}, (70, 100)),
        ({"flip": "both"}, (200, 140)),
    ],
)
def test_the_answer_has_the_size_that_is_asked_for(query: dict[str, Any], size: tuple[int, int]) -> None:
    rendered = render(picture(), **query)

    assert rendered.image.size == size
    assert (rendered.head["width"], rendered.head["height"]) == size


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, "rgbw"),
        ({"rotate": 90}, "brwg"),
        ({"rotate": 180}, "wbgr"),
        ({"rotate": 270}, "gwrb"),
        ({"flip": "horizontal"}, "grwb"),
        ({"flip": "vertical"}, "bwrg"),
        ({"flip": "both"}, "wbgr"),
        ({"rotate": 90, "flip": "horizontal"}, "rbgw"),
        ({"crop": "0,0,20,10"}, "rrrr"),
        ({"crop": "50%,0,50%,100%"}, "ggww"),
        ({"crop": "50%,0,50%,100%", "rotate": 90}, "wgwg"),
        ({"width": 10, "height": 10, "fit": "cover", "gravity": "west"}, "rrbb"),
        ({"width": 10, "height": 10, "fit": "cover", "gravity": "east"}, "ggww"),
        ({"width": 10, "height": 10, "fit": "cover"}, "rgbw"),
        ({"width": 20, "height": 4, "fit": "cover", "gravity": "north"}, "rgrg"),
        ({"width": 20, "height": 4, "fit": "cover", "gravity": "south"}, "bwbw"),
        ({"width": 20, "height": 4, "fit": "cover", "gravity": "southeast"}, "bwbw"),
        ({"width": 10, "height": 10, "fit": "cover", "gravity": "northwest"}, "rrbb"),
        ({"width": 10, "height": 10, "fit": "cover", "gravity": "southwest"}, "rrbb"),
        ({"width": 10, "height": 10, "fit": "cover", "gravity": "northeast"}, "ggww"),
        ({"width": 10, "height": 10, "fit": "cover", "gravity": "north", "rotate": 90}, "brbr"),
    ],
)
def test_the_right_part_is_seen_the_right_way_up(query: dict[str, Any], found: str) -> None:
    assert corners(render(QUARTERS, format="png", **query).image) == found


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["jpeg", "png", "webp", "avif", "tiff"])
def test_a_picture_that_lies_on_its_side_is_answered_upright(name: str, orientation: int) -> None:
    turns = {
        1: None, 2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }  # fmt: skip
    upright = quarters(64, 32).convert("RGB")
    turn = turns[orientation]
    stored = upright if turn is None else upright.transpose(turn)

    rendered = render(encode(stored, name, exif=exif(orientation)), crop="0,0,100%,100%", width=32, format="png")

    assert rendered.image.size == (32, 16)
    assert corners(rendered.image) == "rgbw"


def test_cover_is_cut_where_most_detail_is() -> None:
    image = Image.new("RGB", (300, 100), "grey")
    image.paste(Image.effect_noise((60, 60), 90).convert("RGB"), (220, 20))

    smart = render(png(image), width=100, height=100, fit="cover", gravity="smart").image
    centred = render(png(image), width=100, height=100, fit="cover").image

    assert ImageStat.Stat(smart.convert("L")).stddev[0] > 30
    assert ImageStat.Stat(centred.convert("L")).stddev[0] < 5


def test_detail_is_looked_for_in_the_picture_as_it_is_turned() -> None:
    image = Image.new("RGB", (300, 100), "grey")
    image.paste(Image.effect_noise((60, 60), 90).convert("RGB"), (220, 20))

    smart = render(png(image), width=100, height=100, fit="cover", gravity="smart", rotate=90, flip="vertical").image

    assert ImageStat.Stat(smart.convert("L")).stddev[0] > 30


@pytest.mark.parametrize(
    ("faces", "left"),
    [
        ([Region(0.1, 0.2, 0.1, 0.3)], 0.0),
        ([Region(0.8, 0.2, 0.1, 0.3)], 1.0),
        ([Region(0.45, 0.2, 0.1, 0.3)], 0.5),
        ([Region(0.0, 0.2, 0.02, 0.02), Region(0.7, 0.1, 0.3, 0.8)], 1.0),  # both do not fit: the larger one
    ],
)
def test_cover_is_cut_around_faces(faces: list[Region], left: float) -> None:
    gradient = Image.linear_gradient("L").rotate(90).resize((300, 100))  # dark at the left, bright at the right

    cut = render(png(gradient), faces, width=100, height=100, fit="cover", gravity="faces").image

    expected = 255 * (left * 2 / 3 + 1 / 6)
    assert abs(ImageStat.Stat(cut.convert("L")).mean[0] - expected) < 20


def test_cover_is_cut_by_detail_where_there_are_no_faces() -> None:
    image = Image.new("RGB", (300, 100), "grey")
    image.paste(Image.effect_noise((60, 60), 90).convert("RGB"), (220, 20))

    cut = render(png(image), [], width=100, height=100, fit="cover", gravity="faces").image

    assert ImageStat.Stat(cut.convert("L")).stddev[0] > 30


@pytest.mark.parametrize("crop", ["200,0,10,10", "0,140,1,1", "100%,0,10%,10%", "0,0,0,10"])
def test_a_crop_of_nothing_is_refused_by_name(crop: str) -> None:
    with pytest.raises(InvalidParameter, match="crop"):
        render(picture(), crop=crop)


def test_blur_smears_and_sharpen_accentuates() -> None:
    step = Image.new("L", (100, 100), 64)
    step.paste(192, (50, 0, 100, 100))

    blurs: list[dict[str, Any]] = [{"blur": 20}, {"blur": 4}, {}]
    steepness = [_steepness(render(png(step), format="png", **query).image) for query in blurs]
    sharpened = render(png(step), format="png", sharpen=2).image.convert("L").tobytes()

    assert steepness == sorted(set(steepness))
    assert min(sharpened) < 64
    assert max(sharpened) > 192


def test_pixelate_leaves_one_colour_a_block() -> None:
    image = render(picture(), pixelate=16, format="png").image

    for left in range(0, 200, 16):
        for top in range(0, 140, 16):
            block = image.crop((left, top, min(left + 16, 200), min(top + 16, 140)))
            assert len(block.getcolors() or []) == 1


def test_the_block_is_measured_in_pixels_of_the_answer() -> None:
    image = render(picture(800, 560), width=200, pixelate=16, format="png").image

    assert len(image.crop((16, 16, 32, 32)).getcolors() or []) == 1
    assert len(image.crop((0, 0, 32, 32)).getcolors() or []) > 1


def test_colours_are_changed_as_they_are_told() -> None:
    plain = ImageStat.Stat(render(picture(), format="png").image)
    grey = render(picture(), format="png", grayscale=True).image.convert("RGB")
    bright = ImageStat.Stat(render(picture(), format="png", brightness=1.5).image)
    black = render(picture(), format="png", brightness=0).image
    flat = ImageStat.Stat(render(picture(), format="png", contrast=0.2).image)
    hard = ImageStat.Stat(render(picture(), format="png", contrast=2).image)
    pale = render(picture(), format="png", saturation=0).image
    gaudy = render(picture(), format="png", saturation=2).image

    assert ImageChops.difference(*grey.split()[:2]).getextrema() == (0, 0)
    assert sum(bright.mean) > sum(plain.mean)
    assert black.convert("L").getextrema() == (0, 0)
    assert sum(flat.stddev) < sum(plain.stddev) < sum(hard.stddev)
    assert ImageChops.difference(*pale.convert("RGB").split()[:2]).getextrema() == (0, 0)
    assert _saturation(gaudy) > _saturation(scene())


@pytest.mark.parametrize(
    ("background", "found"),
    [(None, (255, 255, 255)), ("00ff00", (0, 255, 0)), ("00ff0080", (127, 255, 127))],
)
def test_what_is_transparent_gets_the_background_where_the_format_has_no_alpha(
    background: str | None, found: tuple[int, ...]
) -> None:
    query: dict[str, Any] = {} if background is None else {"background": background}

    image = render(png(Image.new("RGBA", (8, 8), (255, 0, 0, 0))), format="jpeg", quality=100, **query).image

    assert image.mode == "RGB"
    assert _is_near(image.getpixel((4, 4)), found)


@pytest.mark.parametrize("name", ["png", "webp", "avif"])
def test_what_is_transparent_stays_so_where_the_format_has_alpha(name: str) -> None:
    clear = png(Image.new("RGBA", (16, 16), (255, 0, 0, 0)))

    queries: list[dict[str, Any]] = [{}, {"background": "0000ff"}]
    for query in queries:
        assert render(clear, format=name, **query).image.convert("RGBA").getpixel((4, 4))[3] == 0  # type: ignore[index]


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
@pytest.mark.parametrize("name", ["jpeg", "png", "webp"])
@pytest.mark.parametrize(("background", "found"), [(None, (255, 255, 255)), ("0000ff", (0, 0, 255))])
def test_contain_fills_the_box_up_with_the_background(
    mode: str, name: str, background: str | None, found: tuple[int, ...]
) -> None:
    query: dict[str, Any] = {} if background is None else {"background": background}
    red = png(Image.new("RGB", (40, 20), "red").convert(mode))

    image = render(red, width=40, height=40, fit="contain", format=name, quality=100, **query).image.convert("RGB")

    middle = (76, 76, 76) if mode == "L" else (255, 0, 0)
    for y, expected in ((2, found), (20, middle), (37, found)):
        assert _is_near(image.getpixel((20, y)), expected)


def test_the_box_of_contain_may_be_half_transparent() -> None:
    red = png(Image.new("RGB", (40, 20), "red"))

    image = render(red, width=40, height=40, fit="contain", background="0000ff80").image

    assert image.convert("RGBA").getpixel((20, 2)) == (0, 0, 255, 128)
    assert image.convert("RGBA").getpixel((20, 20)) == (255, 0, 0, 255)


def test_nothing_dark_bleeds_in_from_what_is_transparent() -> None:
    """White on transparent black: resized without premultiplying, the border would be grey."""
    image = Image.new("RGBA", (200, 200), (0, 0, 0, 0))
    image.paste((255, 255, 255, 255), (50, 50, 150, 150))

    small = render(png(image), width=30, format="png").image

    raw = small.convert("RGBA").tobytes()
    seen = [raw[at : at + 3] for at in range(0, len(raw), 4) if raw[at + 3] > 8]
    assert seen
    assert min(min(pixel) for pixel in seen) > 240


def _is_near(pixel: Any, expected: tuple[int, ...]) -> bool:
    return all(abs(got - wanted) <= 3 for got, wanted in zip(pixel, expected, strict=True))


def _steepness(image: Image.Image) -> int:
    """Return the largest difference between a pixel and its neighbour to the right."""
    grey = image.convert("L")
    shifted = ImageChops.difference(grey, ImageChops.offset(grey, -1, 0)).crop((0, 0, grey.width - 1, grey.height))
    most: int = shifted.getextrema()[1]  # type: ignore[assignment]
    return most


def _saturation(image: Image.Image) -> float:
    return ImageStat.Stat(image.convert("HSV")).mean[1]
