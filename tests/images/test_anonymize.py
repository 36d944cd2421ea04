"""What `anonymize` leaves of a head, in each style, wherever the head is in the answer."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from app.domain.region import Region
from app.errors import InvalidParameter
from app.images.operation import Scene, Sheet
from app.images.operations.anonymize import CELLS, Anonymize, AnonymizeParams
from app.images.params import read_transform
from app.images.placement import Placement
from benchmarks.face_scenes import Composer
from tests.images.renders import png, render
from tests.imaging.pictures import encode, scene
from tests.media_files import PHOTO_NAMES, media_folder, photo
from tests.vision.engines import open_engines

STYLES = ("blur", "pixelate", "solid", "oval")
HEAD = Region(0.25, 0.2, 0.4, 0.6)
SIZE = (400, 300)


def noise(mode: str = "RGB") -> Image.Image:
    """Return a picture every pixel of which tells something."""
    rows = np.random.default_rng(7).integers(0, 256, (SIZE[1], SIZE[0], 4), np.uint8)
    return Image.fromarray(rows, "RGBA").convert(mode)


def inside(image: Image.Image, head: Region = HEAD, share: float = 0.7) -> np.ndarray[Any, Any]:
    """Return the pixels in the middle of a head: `share` of its sides, which its oval covers."""
    width, height = image.size
    x, y = head.centre
    half = head.width * share / 2, head.height * share / 2
    box = [
        round(v) for v in ((x - half[0]) * width, (y - half[1]) * height, (x + half[0]) * width, (y + half[1]) * height)
    ]
    return np.asarray(image.crop((box[0], box[1], box[2], box[3])).convert("RGB"))


@pytest.mark.parametrize("style", STYLES)
def test_outside_of_the_head_nothing_changes(style: str) -> None:
    before = noise()

    after = render(png(before), [HEAD], anonymize="faces", anonymizeStyle=style).image.convert("RGB")

    changed = np.argwhere((np.asarray(before) != np.asarray(after)).any(axis=2))
    (top, left), (bottom, right) = changed.min(axis=0), changed.max(axis=0)
    assert 100 <= left < right < 260
    assert 60 <= top < bottom < 240


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("width", [400, 200, 60, 24])
def test_what_is_left_of_a_head_does_not_depend_on_what_was_in_its_cells(style: str, width: int) -> None:
    """The same means, other pixels: where each cell of the source is turned round, the answer hardly differs."""
    image = render(png(noise()), [HEAD], anonymize="faces", anonymizeStyle=style, width=width).image
    plain = render(png(noise()), [HEAD], width=width).image

    left, original = inside(image), inside(plain)

    assert left.astype(float).std(axis=(0, 1)).max() < 0.6 * original.astype(float).std(axis=(0, 1)).max() + 1


@pytest.mark.parametrize("width", [400, 160, 48])
def test_pixelate_leaves_few_colours_whatever_the_size_of_the_answer(width: int) -> None:
    image = render(png(noise()), [HEAD], anonymize="faces", anonymizeStyle="pixelate", width=width).image

    colours = len(np.unique(inside(image).reshape(-1, 3), axis=0))

    assert 1 < colours <= (CELLS + 1) ** 2


@pytest.mark.parametrize("width", [400, 160])
def test_blur_has_no_more_detail_than_its_cells(width: int) -> None:
    """Reduced to a sample a cell and drawn again, it is what it was."""
    image = render(png(noise()), [HEAD], anonymize="faces", width=width, format="png").image

    seen = Image.fromarray(inside(image))
    few = seen.resize((2 * CELLS, 2 * CELLS), Image.Resampling.BOX).resize(seen.size, Image.Resampling.BICUBIC)

    assert np.abs(np.asarray(few, float) - np.asarray(seen, float)).mean() < 3


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA"])
def test_solid_is_black_to_the_corners_of_the_head_and_oval_within(mode: str) -> None:
    white = Image.new(mode, SIZE, "white")

    solid, oval = (
        render(png(white), [HEAD], anonymize="faces", anonymizeStyle=style).image.convert("L")
        for style in ("solid", "oval")
    )

    assert (solid.getpixel((101, 61)), oval.getpixel((101, 61))) == (0, 255)
    assert (solid.getpixel((180, 150)), oval.getpixel((180, 150))) == (0, 32)
    assert solid.getpixel((98, 150)) == oval.getpixel((98, 150)) == 255


def test_black_is_opaque_where_the_picture_was_transparent() -> None:
    clear = Image.new("RGBA", SIZE, (255, 255, 255, 0))

    image = render(png(clear), [HEAD], anonymize="faces", anonymizeStyle="solid").image

    assert image.convert("RGBA").getpixel((180, 150)) == (0, 0, 0, 255)


@pytest.mark.parametrize(
    ("query", "x", "y"),
    [
        ({}, 0.45, 0.5),
        ({"crop": "25%,0,75%,100%"}, 0.2667, 0.5),
        ({"rotate": 90}, 0.5, 0.45),
        ({"flip": "horizontal"}, 0.55, 0.5),
        ({"width": 100, "height": 100, "fit": "contain", "background": "ffffff"}, 0.45, 0.5),
        ({"width": 150, "height": 300, "fit": "cover", "gravity": "west"}, 0.9, 0.5),
    ],
)
def test_the_head_is_hidden_where_it_is_in_the_answer(query: dict[str, Any], x: float, y: float) -> None:
    white = Image.new("RGB", SIZE, "white")

    image = render(png(white), [HEAD], anonymize="faces", anonymizeStyle="oval", **query).image.convert("L")

    dark = np.argwhere(np.asarray(image) < 128)
    bottom, right = dark.max(axis=0)
    top, left = dark.min(axis=0)
    assert (top + bottom) / 2 / image.height == pytest.approx(y, abs=0.02)
    if query.get("gravity") != "west":  # there the right half of it is cut off
        assert (left + right) / 2 / image.width == pytest.approx(x, abs=0.02)
    assert image.getpixel((min(image.width - 1, round(x * image.width)), round(y * image.height))) == 32


def test_a_head_is_hidden_where_the_answer_is_cut_by_its_detail() -> None:
    image = Image.new("RGB", (600, 200), "white")
    image.paste(noise().resize((120, 120)), (440, 40))
    head = Region(440 / 600, 40 / 200, 120 / 600, 120 / 200)

    cut = render(
        png(image),
        [head],
        anonymize="faces",
        anonymizeStyle="solid",
        width=200,
        height=200,
        fit="cover",
        gravity="smart",
    ).image.convert("L")

    dark = np.argwhere(np.asarray(cut) < 16)
    assert len(dark) == pytest.approx(120 * 120, rel=0.05)


def test_a_head_that_stands_out_of_the_picture_is_hidden_to_the_border() -> None:
    white = Image.new("RGB", SIZE, "white")

    image = render(png(white), [Region(-0.1, -0.2, 0.3, 0.5)], anonymize="faces", anonymizeStyle="solid").image.convert(
        "L"
    )

    assert [image.getpixel(point) for point in ((0, 0), (78, 88), (82, 10), (10, 92))] == [0, 0, 255, 255]


def test_without_faces_the_picture_stays_as_it_is() -> None:
    before = noise()

    after = render(png(before), [], anonymize="faces").image

    assert np.array_equal(np.asarray(before), np.asarray(after.convert("RGB")))


@pytest.mark.parametrize("query", [{"anonymizeStyle": "blur2", "anonymize": "faces"}, {"anonymize": "cats"}])
def test_what_is_not_among_the_values_is_refused(query: dict[str, str]) -> None:
    with pytest.raises(InvalidParameter, match="anonymize"):
        read_transform(query)


def test_a_style_without_anonymize_is_refused() -> None:
    with pytest.raises(InvalidParameter, match="anonymizeStyle"):
        read_transform({"anonymizeStyle": "solid"})


def test_only_anonymize_and_gravity_ask_for_faces() -> None:
    wishes = ({"anonymize": "faces"}, {"width": "9", "height": "9", "fit": "cover", "gravity": "faces"}, {"width": "9"})

    assert [read_transform(wish).needs_faces for wish in wishes] == [True, True, False]


def test_an_animation_is_not_answered_with_faces_hidden_in_its_first_frame_only() -> None:
    frames = [scene(40, 30), scene(40, 30).rotate(180)]
    animated = encode(frames[0], "gif", save_all=True, append_images=frames[1:])

    with pytest.raises(InvalidParameter, match="first frame"):
        render(animated, [HEAD], anonymize="faces", frames="all")


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("head", [HEAD, Region(0, 0, 1, 1), Region(-0.5, -0.5, 0.6, 2.0)])
def test_it_declares_what_its_patches_take(style: str, head: Region) -> None:
    drawn = 0
    new = Image.Image._new

    def counted(self: Image.Image, core: Any) -> Image.Image:
        nonlocal drawn
        made: Image.Image = new(self, core)
        drawn += made.width * made.height * (1 if made.mode == "L" else 4)
        return made

    where = Scene(Placement.of(SIZE), (head,))
    params = AnonymizeParams("faces", style)  # type: ignore[arg-type]
    sheet = Sheet(*SIZE, 3)
    image = noise()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Image.Image, "_new", counted)
        Anonymize.paint(params, image, where)

    assert sheet.nbytes + drawn <= Anonymize.peak_bytes(params, sheet, where)


def on_a_head(detections: list[dict[str, Any]], heads: list[Region]) -> list[dict[str, Any]]:
    """Return the faces whose middle is on a hidden head: the rule of `operations.anonymize`."""
    found = []
    for face in detections:
        box = face["box"]
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        if any(head.x <= x <= head.x + head.width and head.y <= y <= head.y + head.height for head in heads):
            found.append(face)
    return found


@pytest.mark.model("blaze_face_short_range.tflite")
@pytest.mark.photo
@pytest.mark.parametrize(
    "style", ["blur", "solid", *(pytest.param(one, marks=pytest.mark.stress) for one in ("pixelate", "oval"))]
)
async def test_the_search_finds_no_face_in_what_is_left_of_real_ones(style: str, models_folder: Path) -> None:
    from app.vision.head import head_of

    photos = [photo(name).read() for name in PHOTO_NAMES if name != "thumb_up.jpg"]
    pictures = photos + [
        png(Composer(media_folder()).grid(face, angle).picture) for face, angle in ((60, 0), (140, 45))
    ]
    async with open_engines(models_folder) as engines:
        for picture in pictures:
            size = Image.open(io.BytesIO(picture)).size
            before = (await engines.search("face-detection", picture, (4096, 4096))).detections
            heads = [head_of(face, *size) for face in before]  # type: ignore[arg-type]

            assert before
            hidden = render(picture, heads, anonymize="faces", anonymizeStyle=style, format="png").data
            searched = await engines.search("face-detection", hidden, (4096, 4096))
            plain = await engines.analyze("face-detection", hidden)

            assert searched.detections == []
            assert on_a_head(plain.detections, heads) == []
            if picture in photos:
                small = render(picture, heads, anonymize="faces", anonymizeStyle=style, format="png", width=160).data
                assert on_a_head((await engines.analyze("face-detection", small)).detections, heads) == []
