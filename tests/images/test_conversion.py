"""Formats in and out, colours, metadata, animations."""

from __future__ import annotations

import io
from typing import Any

import pytest
from PIL import Image, ImageChops, ImageCms, ImageFilter, ImageOps, ImageStat
from PIL.PngImagePlugin import PngInfo

from app.errors import InvalidMedia, InvalidParameter, TooManyPixels, UnsupportedMedia
from app.images.conversion import CONTENT_TYPES, preferred
from app.imaging.exif import read_texts
from app.imaging.formats.jpeg import Jpeg
from app.imaging.header import read_header
from app.settings import ImageSettings
from tests.images.renders import picture, png, render
from tests.imaging.pictures import encode, png_bomb, samples, scene, with_alpha

PLUGINS = {"jpeg": "JPEG", "png": "PNG", "webp": "WEBP", "avif": "AVIF"}
ARTIST, COPYRIGHT, GPS = 0x013B, 0x8298, 0x8825

INSTEAD = {"heic": "jpeg", "tiff": "jpeg", "bmp": "jpeg", "gif": "png", "apng": "png"}


@pytest.mark.parametrize("kind", samples())
def test_every_kind_of_picture_is_answered_in_the_format_that_is_told(kind: str) -> None:
    source = kind.split()[0]

    rendered = render(samples()[kind], width=60)

    expected = INSTEAD.get(source, source)
    assert rendered.image.format == PLUGINS[expected]
    assert max(rendered.image.size) == max(60, rendered.image.height)


@pytest.mark.parametrize("kind", [kind for kind in samples() if kind not in ("jpeg scans", "tiff bilevel")])
@pytest.mark.parametrize("name", CONTENT_TYPES)
def test_every_kind_looks_the_same_in_every_format(kind: str, name: str) -> None:
    source = samples()[kind]
    opened = Image.open(io.BytesIO(source))
    expected = _upright(source, opened)

    found = render(source, format=name, quality=90).image.convert("RGB")

    if opened.has_transparency_data and name != "jpeg":
        found = _on_white(render(source, format=name, quality=90).image)
    smooth = ImageFilter.GaussianBlur(3)  # dithering is lost in lossy formats
    difference = ImageStat.Stat(ImageChops.difference(found.filter(smooth), expected.filter(smooth))).mean
    assert max(difference) < 3, difference


def _upright(source: bytes, opened: Image.Image) -> Image.Image:
    """Pillow's plug-in for JPEG is told to skip EXIF in the processes in which we decode: in this one too."""
    is_turned = opened.format == "JPEG" and read_header(source).orientation == 6
    image = opened.transpose(Image.Transpose.ROTATE_270) if is_turned else ImageOps.exif_transpose(opened)
    return _on_white(image) if image.has_transparency_data else image.convert("RGB")


def _on_white(image: Image.Image) -> Image.Image:
    ground = Image.new("RGBA", image.size, "white")
    ground.alpha_composite(image.convert("RGBA"))
    return ground.convert("RGB")


@pytest.mark.parametrize(
    ("accept", "found"),
    [
        ("", None),
        ("*/*", None),
        ("image/*", None),
        ("image/avif,image/webp,*/*", "avif"),
        ("image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8", "avif"),
        ("image/webp", "webp"),
        ("image/webp;q=0, image/avif;q=0.5", "avif"),
        ("image/webp;q=0.0", None),
        ("image/avif;q=0.1, image/webp;q=1", "webp"),
        ("image/webp;q=0.1, image/jpeg", "jpeg"),
        ("image/png", "png"),
        ("image/png, image/jpeg;q=0", "png"),
        ("image/jpeg", "jpeg"),
        ("image/png;q=0.9, image/*;q=0.8", None),
        ("image/jpeg, image/png", None),
        ("IMAGE/AVIF", "avif"),
        ("image/avif;q=nan", "avif"),
        ("text/html", None),
        (";;,,q=0", None),
    ],
)
def test_accept_is_read_as_it_stands(accept: str, found: str | None) -> None:
    assert preferred(accept, ("avif", "webp", "jpeg", "png")) == found


def test_what_is_to_be_lossless_is_a_format_that_can_be() -> None:
    assert preferred("image/avif;q=0.5, */*", ("avif", "webp")) == "avif"
    assert preferred("*/*", ("avif", "webp")) is None


@pytest.mark.parametrize(
    ("accept", "alpha", "found"),
    [
        ("image/avif,image/webp", False, "AVIF"),
        ("image/webp,*/*", False, "WEBP"),
        ("*/*", False, "JPEG"),
        ("*/*", True, "PNG"),
        ("image/png", False, "PNG"),
        ("image/jpeg", True, "JPEG"),
    ],
)
def test_auto_is_the_best_that_the_client_takes(accept: str, alpha: bool, found: str) -> None:
    image = with_alpha(scene()) if alpha else scene()

    assert render(png(image), accept=accept, format="auto").image.format == found


def test_quality_and_lossless_say_how_much_is_lost() -> None:
    small, large = (render(picture(), format="jpeg", quality=quality) for quality in (20, 95))
    exact = {name: render(picture(), format=name, lossless=True).image for name in ("webp", "avif")}

    assert len(small.data) < len(large.data)
    assert ImageChops.difference(exact["webp"].convert("RGB"), scene()).getextrema() == ((0, 0), (0, 0), (0, 0))
    assert max(most for _, most in ImageChops.difference(exact["avif"].convert("RGB"), scene()).getextrema()) <= 3  # type: ignore[misc]


@pytest.mark.parametrize("name", ["jpeg", "webp", "avif"])
def test_quality_is_obeyed_by_every_format_that_has_one(name: str) -> None:
    sizes = [len(render(picture(), format=name, quality=quality).data) for quality in (5, 50, 100)]

    assert sizes == sorted(set(sizes))


@pytest.mark.parametrize("query", [{"format": "jpeg"}, {"format": "png"}, {}])
def test_what_cannot_be_lossless_is_refused_by_name(query: dict[str, Any]) -> None:
    with pytest.raises(InvalidParameter, match="lossless"):
        render(encode(scene(), "jpeg"), lossless=True, **query)


def test_a_wide_gamut_is_brought_into_srgb() -> None:
    """Display P3's pure green is out of sRGB; a mid tone of it is another sRGB value."""
    profile = _display_p3()
    source = png(Image.new("RGB", (16, 16), (100, 200, 100)), icc_profile=profile)
    srgb = ImageCms.createProfile("sRGB")
    expected = ImageCms.profileToProfile(
        Image.new("RGB", (1, 1), (100, 200, 100)), io.BytesIO(profile), srgb, ImageCms.Intent.RELATIVE_COLORIMETRIC
    )
    assert expected is not None

    image = render(source, format="png").image

    assert image.convert("RGB").getpixel((3, 3)) == expected.getpixel((0, 0))
    assert image.getpixel((3, 3)) != (100, 200, 100)
    assert "icc_profile" not in image.info


@pytest.mark.parametrize("name", ["jpeg", "webp", "avif", "tiff"])
def test_the_profile_is_found_in_every_format(name: str) -> None:
    source = encode(Image.new("RGB", (64, 64), (100, 200, 100)), name, icc_profile=_display_p3())

    pixel = render(source, format="png").image.convert("RGB").getpixel((30, 30))

    assert isinstance(pixel, tuple)
    assert pixel[0] < 85


@pytest.mark.parametrize("profile", [b"\0" * 200, b"x", bytes(16) + b"RGB " + bytes(200)])
def test_a_broken_profile_is_left_alone(profile: bytes) -> None:
    source = png(Image.new("RGB", (16, 16), (100, 200, 100)), icc_profile=profile)

    assert render(source, format="png").image.convert("RGB").getpixel((3, 3)) == (100, 200, 100)


def test_deep_grey_is_brought_to_eight_bits() -> None:
    deep = Image.linear_gradient("L").convert("I").point(lambda value: value * 257).convert("I;16")

    image = render(png(deep), format="png").image

    assert image.mode == "L"
    assert ImageChops.difference(image, Image.linear_gradient("L")).getextrema()[1] <= 1  # type: ignore[operator]


def _tagged(name: str) -> bytes:
    exif = Image.Exif()
    exif[ARTIST], exif[COPYRIGHT], exif[0x010F] = "Ada", "(c) Ada", "camera"
    exif[GPS] = {1: "N", 2: (48.0, 8.0, 0.0)}
    more: dict[str, Any] = {"xmp": b"<x:xmpmeta>secret</x:xmpmeta>"} if name in ("jpeg", "webp") else {}
    return encode(scene(), name, exif=exif.tobytes(), **more)


@pytest.mark.parametrize("source", ["jpeg", "png", "webp", "avif", "tiff"])
@pytest.mark.parametrize("name", CONTENT_TYPES)
def test_no_metadata_is_left(source: str, name: str) -> None:
    tagged = _tagged(source)
    assert b"camera" in tagged

    rendered = render(tagged, format=name)

    assert not {"exif", "xmp", "icc_profile", "comment"} & rendered.image.info.keys()
    assert not dict(rendered.image.getexif())
    assert all(word not in rendered.data for word in (b"camera", b"Ada", b"secret", b"GPS"))


@pytest.mark.parametrize("source", ["jpeg", "png", "webp", "avif", "tiff"])
@pytest.mark.parametrize("name", CONTENT_TYPES)
def test_who_made_it_is_kept_where_that_is_asked_for(source: str, name: str) -> None:
    rendered = render(_tagged(source), format=name, metadata="copyright")

    exif = Jpeg().read_exif(rendered.data) if name == "jpeg" else rendered.image.info["exif"]
    assert exif is not None
    assert read_texts(exif, (ARTIST, COPYRIGHT)) == {ARTIST: "Ada", COPYRIGHT: "(c) Ada"}
    assert b"camera" not in rendered.data


def test_who_made_it_is_kept_of_the_texts_of_a_png_too() -> None:
    texts = PngInfo()
    texts.add_text("Author", "Ada")
    texts.add_itxt("Copyright", "(c) Ada")
    texts.add_text("Comment", "secret")

    rendered = render(png(scene(), pnginfo=texts), metadata="copyright")

    assert read_texts(rendered.image.info["exif"], (ARTIST, COPYRIGHT)) == {ARTIST: "Ada", COPYRIGHT: "(c) Ada"}
    assert b"secret" not in rendered.data


@pytest.mark.parametrize("source", samples())
def test_nobody_is_named_where_nobody_is_known(source: str) -> None:
    rendered = render(samples()[source], metadata="copyright", width=60)

    assert not dict(rendered.image.getexif())


def _animation(name: str, frames: int = 5, size: tuple[int, int] = (60, 40)) -> bytes:
    images = [Image.new("RGB", size, (50 * number, 200 - 40 * number, 90)) for number in range(frames)]
    return encode(images[0], name, save_all=True, append_images=images[1:], duration=80, loop=0)


@pytest.mark.parametrize("name", ["gif", "webp"])
def test_an_animation_stays_one_where_that_is_asked_for(name: str) -> None:
    rendered = render(_animation(name), frames="all", width=30)
    image = rendered.image

    assert (image.format, getattr(image, "n_frames", 1), image.size) == ("WEBP", 5, (30, 20))
    assert rendered.head["frames"] == 5
    colours = []
    for number in range(5):
        image.seek(number)
        colours.append(image.convert("RGB").getpixel((15, 10)))
        assert image.info["duration"] == 80
    assert all(abs(pixel[0] - 50 * number) < 12 for number, pixel in enumerate(colours))  # type: ignore[index]
    assert image.info["loop"] == 0


@pytest.mark.parametrize("name", ["gif", "webp", "png"])
def test_only_the_first_frame_is_answered_otherwise(name: str) -> None:
    rendered = render(_animation(name))

    assert getattr(rendered.image, "n_frames", 1) == 1
    assert rendered.head["frames"] == 1


def test_all_that_is_asked_for_is_done_to_each_frame() -> None:
    image = render(_animation("gif"), frames="all", grayscale=True, rotate=90).image

    assert image.size == (40, 60)
    image.seek(4)
    red, green, *_ = image.convert("RGB").split()
    assert ImageChops.difference(red, green).getextrema()[1] <= 3  # type: ignore[operator]


def test_a_still_picture_has_no_further_frames() -> None:
    assert render(picture(), frames="all").image.format == "PNG"
    assert render(encode(scene().convert("P"), "gif"), frames="all").image.format == "WEBP"


@pytest.mark.parametrize("name", ["jpeg", "png", "avif"])
def test_what_cannot_be_animated_is_refused_by_name(name: str) -> None:
    with pytest.raises(InvalidParameter, match="frames"):
        render(_animation("gif"), frames="all", format=name)


@pytest.mark.parametrize("name", ["gif", "webp"])
@pytest.mark.parametrize("settings", [ImageSettings(max_pixels=4 * 60 * 40), ImageSettings(max_frames=4)])
def test_frames_count_by_their_area(name: str, settings: ImageSettings) -> None:
    with pytest.raises(TooManyPixels):
        render(_animation(name), frames="all", settings=settings)

    assert render(_animation(name), settings=settings).head["frames"] == 1
    assert render(_animation(name, 4), frames="all", settings=settings).head["frames"] == 4


@pytest.mark.parametrize("kind", ["jpeg progressive", "png", "webp", "avif", "gif", "tiff packed", "bmp"])
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_a_truncated_picture_is_invalid(kind: str, share: float) -> None:
    whole = samples()[kind]

    with pytest.raises(InvalidMedia):
        render(whole[: int(len(whole) * share)])


def test_a_bomb_is_refused_by_its_header() -> None:
    with pytest.raises(TooManyPixels):
        render(png_bomb(20_000, 20_000))


@pytest.mark.parametrize("data", [b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%PDF-1.7", b"PK\3\4", b"text"])
def test_what_is_no_picture_is_unsupported(data: bytes) -> None:
    with pytest.raises(UnsupportedMedia):
        render(data + bytes(100))


def test_a_polyglot_is_written_anew() -> None:
    hidden = b"PK\3\4<script>alert(1)</script>"

    assert hidden not in render(encode(scene(), "jpeg") + hidden, format="jpeg").data
    assert hidden not in render(picture() + hidden).data


def test_an_answer_wider_than_any_may_be_is_made_smaller() -> None:
    rendered = render(png(Image.new("L", (9000, 90))))

    assert rendered.image.size == (8192, 81)


def test_an_enlargement_beyond_all_bounds_is_refused_by_name() -> None:
    with pytest.raises(InvalidParameter, match="width"):
        render(picture(), width=8192, height=8192, fit="fill", enlarge=True)


def test_the_same_wish_has_the_same_answer() -> None:
    query: dict[str, Any] = {"width": 90, "height": 60, "fit": "cover", "gravity": "smart", "blur": 1.5, "sharpen": 2}

    for name in CONTENT_TYPES:
        assert render(picture(), format=name, **query).data == render(picture(), format=name, **query).data


def _display_p3() -> bytes:
    """A matrix profile of Display P3's primaries, made from the sRGB one of littleCMS (ICC.1:2022, 10.18)."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    primaries = {
        b"rXYZ": (0.5151, 0.2412, -0.0011),
        b"gXYZ": (0.2919, 0.6922, 0.0419),
        b"bXYZ": (0.1572, 0.0666, 0.7841),
    }
    count = int.from_bytes(profile[128:132], "big")
    for number in range(count):
        at = 132 + 12 * number
        name, offset = bytes(profile[at : at + 4]), int.from_bytes(profile[at + 4 : at + 8], "big")
        if name in primaries:
            for place, value in enumerate(primaries[name]):
                fixed = round(value * 65536) & 0xFFFFFFFF
                profile[offset + 8 + 4 * place : offset + 12 + 4 * place] = fixed.to_bytes(4, "big")
        elif name == b"desc":
            size = int.from_bytes(profile[at + 8 : at + 12], "big")
            profile[offset + 8 : offset + size] = bytes(profile[offset + 8 : offset + size]).replace(
                "sRGB".encode("utf-16-be"), "  P3".encode("utf-16-be")
            )
    return bytes(profile)
