from __future__ import annotations

import io
import struct
import subprocess
import sys
from types import FrameType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from app.errors import InvalidMedia, UnsupportedMedia
from app.imaging.header import read_header
from tests.imaging.pictures import (
    box,
    encode,
    exif,
    multi_scan_jpeg,
    png_chunk,
    resized_header,
    samples,
    scene,
    with_alpha,
)

MODES = {
    "jpeg": ("RGB", "L", "CMYK"),
    "png": ("RGB", "L", "RGBA", "LA", "P", "1", "I;16"),
    "webp": ("RGB", "RGBA"),
    "gif": ("P", "L", "1"),
    "avif": ("RGB", "RGBA", "L"),
    "heic": ("RGB", "RGBA", "L"),
}
CHANNELS = {"1": 1, "L": 1, "I;16": 1, "LA": 2, "P": 3, "RGB": 3, "RGBA": 4, "CMYK": 4}
MAGIC = [
    b"\xff\xd8\xff",
    b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR",
    b"RIFF\0\0\0\0WEBPVP8X",
    b"RIFF\0\0\0\0WEBPVP8 ",
    b"RIFF\0\0\0\0WEBPVP8L",
    b"GIF89a",
    box(b"ftyp", b"avif\0\0\0\0mif1"),
    box(b"ftyp", b"heic\0\0\0\0mif1"),
]


@pytest.mark.parametrize("name", MODES)
@settings(max_examples=12, deadline=None)
@given(st.data(), st.integers(1, 300), st.integers(1, 300))
def test_the_header_agrees_with_pillow(name: str, data: st.DataObject, width: int, height: int) -> None:
    mode = data.draw(st.sampled_from(MODES[name]))
    encoded = encode(Image.new(mode, (width, height)), name)

    header = read_header(encoded)

    opened = Image.open(io.BytesIO(encoded))
    assert (header.format.name, header.width, header.height) == (name, *opened.size)
    assert header.channels == (4 if name == "gif" else CHANNELS[mode])
    assert header.orientation == 1
    assert not header.progressive
    assert not header.animated


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["jpeg", "png", "webp", "avif"])
def test_the_orientation_is_read(name: str, orientation: int) -> None:
    header = read_header(encode(scene(64, 48), name, exif=exif(orientation)))

    assert header.orientation == orientation
    assert (header.width, header.height) == (64, 48)
    assert header.upright == ((48, 64) if orientation >= 5 else (64, 48))


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_an_orientation_that_does_not_exist_is_none(value: int) -> None:
    assert read_header(encode(scene(), "jpeg", exif=exif(value))).orientation == 1


@pytest.mark.parametrize("order", ["<", ">"])
def test_exif_is_read_in_both_byte_orders(order: str) -> None:
    mark = b"II" if order == "<" else b"MM"
    tiff = mark + struct.pack(order + "HIHHHIHH", 42, 8, 1, 0x112, 3, 1, 6, 0)
    payload = b"Exif\0\0" + tiff
    jpeg = encode(scene(), "jpeg")

    header = read_header(jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(payload) + 2) + payload + jpeg[2:])

    assert header.orientation == 6


@pytest.mark.parametrize(
    ("options", "progressive", "sampled"),
    [({}, False, 1.5), ({"subsampling": 0}, False, 3.0), ({"progressive": True, "subsampling": 1}, True, 2.0)],
)
def test_a_jpeg_tells_its_scans_and_sampling(options: dict[str, Any], progressive: bool, sampled: float) -> None:
    header = read_header(encode(scene(), "jpeg", **options))

    assert (header.progressive, header.samples) == (progressive, sampled)


def test_a_sequential_jpeg_in_several_scans_counts_as_progressive() -> None:
    assert read_header(multi_scan_jpeg(64, 48)).progressive


def test_a_jpeg_cut_before_its_first_scan_counts_as_progressive() -> None:
    jpeg = encode(scene(), "jpeg")

    assert read_header(jpeg[: jpeg.index(b"\xff\xda")]).progressive


def test_a_frame_header_behind_long_metadata_is_found() -> None:
    jpeg = encode(scene(), "jpeg", icc_profile=bytes(300_000), exif=exif(6))

    header = read_header(jpeg)

    assert (header.width, header.height, header.orientation) == (200, 140, 6)
    with pytest.raises(InvalidMedia):
        read_header(jpeg[:65536])


@pytest.mark.parametrize("kind", samples())
def test_64_kib_are_enough(kind: str) -> None:
    header = read_header(samples()[kind])

    beginning = read_header(memoryview(samples()[kind] + bytes(1 << 20))[:65536])

    assert (beginning.format, beginning.width, beginning.height) == (header.format, header.width, header.height)


@pytest.mark.parametrize("kind", samples())
def test_animations_are_told_from_stills(kind: str) -> None:
    assert read_header(samples()[kind]).animated == (kind in {"apng", "webp animated", "gif animated"})


def test_frames_are_counted_where_the_header_tells_them() -> None:
    assert read_header(samples()["apng"]).frames == 2
    assert read_header(samples()["webp animated"]).frames == 2


def test_a_second_gif_image_without_a_loop_is_noticed() -> None:
    first = scene(20, 20)
    data = encode(first, "gif", save_all=True, append_images=[first.transpose(Image.Transpose.ROTATE_90)])
    assert b"NETSCAPE" not in data

    assert read_header(data).animated


@pytest.mark.parametrize("count", [1, 4, 150])
@pytest.mark.parametrize("hole", [None, 0])
def test_a_survey_counts_the_images_of_a_gif_and_finds_its_holes(count: int, hole: int | None) -> None:
    frames = [Image.new("P", (60, 40), number + 1) for number in range(count)]
    for number, frame in enumerate(frames):
        frame.putpalette([number, 40, 80] * 256)
        frame.putpixel((number % 60, 3), 0)
    holes = {} if hole is None else {"transparency": hole}
    data = encode(frames[0], "gif", save_all=True, append_images=frames[1:], optimize=False, disposal=2, **holes)
    header = read_header(data)

    assert header.format.survey(data, header) == (count, hole is not None)
    cut = header.format.survey(data[:-20], header)
    assert 1 <= cut[0] <= count


def test_a_survey_tells_of_other_formats_what_the_header_does() -> None:
    data = encode(Image.new("RGBA", (6, 4)), "png")
    header = read_header(data)

    assert header.format.survey(data, header) == (1, True)


def test_a_gif_image_larger_than_its_screen_counts_in_full() -> None:
    gif = encode(Image.new("P", (300, 200)), "gif")
    lying = gif[:6] + struct.pack("<HH", 1, 1) + gif[10:]

    header = read_header(lying)

    assert (header.width, header.height) == Image.open(io.BytesIO(lying)).size == (300, 200)


def test_depth_and_transparency_of_a_png_are_read() -> None:
    deep = read_header(encode(Image.new("I;16", (5, 5)), "png"))
    keyed = read_header(encode(scene().convert("RGB"), "png", transparency=(1, 2, 3)))

    assert (deep.bits, deep.channels) == (16, 1)
    assert keyed.channels == 4


def test_alpha_of_avif_and_heic_is_read() -> None:
    assert read_header(encode(with_alpha(scene()), "avif")).channels == 4
    assert read_header(encode(with_alpha(scene()), "heic")).channels == 4


def test_a_tiled_heic_has_the_size_of_the_whole() -> None:
    header = read_header(encode(scene(700, 500), "heic", tile_size=256))

    assert (header.width, header.height, header.samples) == (700, 500, 1.5)


@pytest.mark.parametrize("name", ["avif", "heic"])
def test_a_file_that_is_branded_as_heif_only_is_known_by_its_codec(name: str) -> None:
    data = encode(scene(), name)
    brand, end = name.encode(), int.from_bytes(data[:4], "big")
    assert brand in data[:end]

    header = read_header(data[:end].replace(brand, b"mif1") + data[end:])

    assert (header.format.name, header.width, header.height, header.samples) == (name, 200, 140, 1.5)


def test_heif_of_another_codec_is_unsupported() -> None:
    avif = encode(scene(), "avif")

    with pytest.raises(UnsupportedMedia):
        read_header(avif.replace(b"avif", b"mif1").replace(b"av1C", b"vvcC"))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello, this is a text and no picture",
        b"<svg xmlns='http://www.w3.org/2000/svg' width='1' height='1'/>",
        b"%PDF-1.7",
        b"PK\x03\x04" + bytes(40),
        encode(scene(), "png")[1:],
        b"BM" + bytes(60),
        b"II*\0" + bytes(60),
        box(b"ftyp", b"isom\0\0\0\0mp42") + bytes(60),
        box(b"ftyp", b"qt  \0\0\0\0qt  ") + bytes(60),
        b"RIFF\0\0\0\0WAVEfmt " + bytes(60),
    ],
)
def test_what_is_not_accepted_is_unsupported(data: bytes) -> None:
    with pytest.raises(UnsupportedMedia):
        read_header(data)


@pytest.mark.parametrize("marker", [0xC3, 0xC5, 0xCB])
def test_lossless_and_hierarchical_jpeg_are_unsupported(marker: int) -> None:
    with pytest.raises(UnsupportedMedia):
        read_header(encode(scene(), "jpeg").replace(b"\xff\xc0", bytes((0xFF, marker)), 1))


@pytest.mark.parametrize("name", ["jpeg", "png", "gif"])
def test_a_picture_without_pixels_is_invalid(name: str) -> None:
    layouts = {"jpeg": ">HH", "png": ">II", "gif": "<HH"}
    data = encode(scene(64, 64).convert("P" if name == "gif" else "RGB"), name)

    for _ in range(2 if name == "gif" else 1):
        data = resized_header(data, (64, 64), (0, 64), layouts[name])

    with pytest.raises(InvalidMedia):
        read_header(data)


@pytest.mark.parametrize("size", [(1_000_001, 1), (1, 1_000_001)])
def test_a_png_of_an_absurd_side_is_invalid(size: tuple[int, int]) -> None:
    png = encode(Image.new("L", (64, 48)), "png")
    read_header(resized_header(png, (64, 48), (1_000_000, 1), ">II")[:33] + png_chunk(b"IDAT", b""))

    with pytest.raises(InvalidMedia):
        read_header(resized_header(png, (64, 48), size, ">II"))


@pytest.mark.parametrize("chunk", [png_chunk(b"tEXt", b"a\0b"), png_chunk(b"prVt", b"")])
def test_hundreds_of_chunks_before_the_pixels_are_invalid(chunk: bytes) -> None:
    png = samples()["png"]
    read_header(png[:33] + 200 * chunk + png[33:])

    with pytest.raises(InvalidMedia):
        read_header(png[:33] + 300 * chunk + png[33:])


def test_two_frame_headers_are_invalid() -> None:
    jpeg = encode(scene(), "jpeg")
    start = jpeg.index(b"\xff\xc0")
    frame = jpeg[start : start + 19]

    with pytest.raises(InvalidMedia):
        read_header(jpeg[:start] + frame + jpeg[start:])


@pytest.mark.parametrize("kind", samples())
@settings(max_examples=20, deadline=None)
@given(st.data())
def test_a_truncated_header_is_invalid_or_still_right(kind: str, data: st.DataObject) -> None:
    whole = samples()[kind]
    length = data.draw(st.integers(12, min(len(whole), 900)))

    try:
        header = read_header(whole[:length])
    except InvalidMedia:
        return

    expected = read_header(whole)
    assert (header.format, header.width, header.height) == (expected.format, expected.width, expected.height)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([b"", *MAGIC]), st.binary(max_size=400))
def test_random_bytes_raise_only_our_errors(magic: bytes, rest: bytes) -> None:
    try:
        header = read_header(magic + rest)
    except (InvalidMedia, UnsupportedMedia):
        return

    assert header.width > 0
    assert header.height > 0


@pytest.mark.parametrize("kind", samples())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_mutated_headers_raise_only_our_errors(kind: str, data: st.DataObject) -> None:
    mutant = bytearray(samples()[kind])
    for _ in range(data.draw(st.integers(1, 6))):
        mutant[data.draw(st.integers(0, min(len(mutant), 700) - 1))] = data.draw(st.integers(0, 255))

    try:
        header = read_header(mutant)
    except (InvalidMedia, UnsupportedMedia):
        return

    assert 1 <= header.orientation <= 8
    assert header.pixels > 0


MEBIBYTE = 1 << 20
PROGRESSIVE = samples()["jpeg progressive"][:-2]
META = bytes(4) + box(b"pitm", bytes(6))
HOSTILE = {
    "jpeg padding": b"\xff\xd8" + b"\xff" * MEBIBYTE,
    "jpeg zeros": b"\xff\xd8\xff" + bytes(MEBIBYTE),
    "jpeg empty segments": b"\xff\xd8" + b"\xff\xe5\0\2" * (MEBIBYTE // 4),
    "jpeg segments behind the frame": samples()["jpeg"][: samples()["jpeg"].index(b"\xff\xda")]
    + b"\xff\xe5\0\2" * (MEBIBYTE // 4),
    "jpeg scans": PROGRESSIVE + b"\xff\xda\0\x08\x01\x01\0\x01\x3f\x10" * (MEBIBYTE // 10),
    "jpeg scans cut short": PROGRESSIVE + b"\xff\xda" * (MEBIBYTE // 2),
    "jpeg segments between scans": PROGRESSIVE + b"\xff\xe5\0\4\xff\xda" * (MEBIBYTE // 6),
    "jpeg exif entries": b"\xff\xd8\xff\xe1\xff\xffExif\0\0II\x2a\0\x08\0\0\0\xff\xff" + b"\1" * MEBIBYTE,
    "png empty chunks": samples()["png"][:33] + png_chunk(b"tEXt", b"") * (MEBIBYTE // 12),
    "webp frames": b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\x0a" + bytes(9) + b"ANMF\0\0\0\0" * (MEBIBYTE // 8),
    "gif sub-blocks": b"GIF89a\1\0\1\0\0\0\0\x21\x01" + b"\1\1" * (MEBIBYTE // 2),
    "gif padding": b"GIF89a\1\0\1\0\0\0\0" + bytes(MEBIBYTE),
    "avif boxes": box(b"ftyp", b"avif\0\0\0\0mif1") + b"\0\0\0\x08free" * (MEBIBYTE // 8),
    "avif properties": box(b"ftyp", b"avif\0\0\0\0mif1")
    + box(b"meta", META + box(b"iprp", box(b"ipco", b"\0\0\0\x08free" * (MEBIBYTE // 8)))),
    "avif associations": box(b"ftyp", b"avif\0\0\0\0mif1")
    + box(b"meta", META + box(b"iprp", box(b"ipma", bytes(4) + struct.pack(">I", 1 << 31) + b"\0\1\0" * 300_000))),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_the_work_for_a_hostile_megabyte_is_bounded(kind: str) -> None:
    lines = _executed_lines(HOSTILE[kind])

    assert lines < 40_000  # some milliseconds even while every line is traced; a walk over it all would take 10**6


def _executed_lines(data: bytes) -> int:
    count = 0

    def trace(_frame: FrameType, event: str, _arg: object) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        read_header(data)
    except (InvalidMedia, UnsupportedMedia):
        pass
    finally:
        sys.settrace(before)
    return count


def test_the_header_reader_needs_no_picture_library() -> None:
    code = "import sys, app.imaging.header, app.imaging.cost; print(*sys.modules)"

    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()

    assert not {"PIL", "numpy", "pillow_heif"} & set(modules)
