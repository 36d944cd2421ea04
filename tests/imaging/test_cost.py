from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from app.domain.analysis_size import AnalysisSize
from app.errors import TooManyPixels
from app.imaging.cost import MAX_STORED_PIXELS, check_pixels, counted_pixels, decode_bytes, draft_scale, image_bytes
from app.imaging.formats.gif import Gif
from app.imaging.formats.jpeg import Jpeg
from app.imaging.formats.png import Png
from app.imaging.header import FORMATS, read_header
from app.imaging.picture_format import PictureHeader
from app.workers.launch import CHILD_ENVIRONMENT
from tests.imaging.pictures import encode, multi_scan_jpeg, scene, with_alpha

BOX = AnalysisSize(640, 480)
LARGE = (2400, 1600)
MEDIUM = (1200, 900)
SMALL = (64, 48)

Size = tuple[int, int]
KINDS: dict[str, Callable[[Size], bytes]] = {
    "jpeg": lambda size: encode(scene(*size), "jpeg"),
    "jpeg progressive 4:4:4": lambda size: encode(scene(*size), "jpeg", progressive=True, subsampling=0),
    "jpeg cmyk": lambda size: encode(scene(*size).convert("CMYK"), "jpeg", progressive=True),
    "jpeg scans": lambda size: multi_scan_jpeg(*size),
    "png": lambda size: encode(scene(*size), "png", compress_level=1),
    "png grey": lambda size: encode(scene(*size).convert("L"), "png", compress_level=1),
    "png alpha": lambda size: encode(with_alpha(scene(*size)), "png", compress_level=1),
    "png palette": lambda size: encode(scene(*size).convert("P"), "png", compress_level=1, transparency=1),
    "png deep": lambda size: encode(deep(size), "png", compress_level=1),
    "webp": lambda size: encode(scene(*size), "webp"),
    "webp alpha": lambda size: encode(with_alpha(scene(*size)), "webp", lossless=True, quality=0),
    "gif": lambda size: encode(scene(*size).convert("P"), "gif", transparency=1),
    "avif": lambda size: encode(scene(*size), "avif"),
    "avif alpha": lambda size: encode(with_alpha(scene(*size)), "avif", subsampling="4:4:4"),
    "heic": lambda size: encode(scene(*size), "heic"),
    "heic alpha": lambda size: encode(with_alpha(scene(*size)), "heic", chroma=444),
    "bmp": lambda size: encode(scene(*size), "bmp"),
    "bmp palette": lambda size: encode(scene(*size).convert("P"), "bmp"),
    "tiff": lambda size: encode(scene(*size), "tiff"),
    "tiff packed": lambda size: encode(scene(*size), "tiff", compression="tiff_lzw"),
    "tiff strip": lambda size: encode(scene(*size), "tiff", compression="tiff_adobe_deflate", strip_size=1 << 28),
    "tiff jpeg": lambda size: encode(scene(*size), "tiff", compression="jpeg"),
    "tiff alpha": lambda size: encode(with_alpha(scene(*size)), "tiff", compression="tiff_lzw"),
    "tiff deep": lambda size: encode(deep(size), "tiff", compression="tiff_lzw"),
    "heic tiles": lambda size: encode(scene(*size), "heic", tile_size=512),
}


def deep(size: Size) -> Image.Image:
    return Image.fromarray(np.asarray(scene(*size).convert("L")).astype(np.uint16) * 257)


def measured_bytes(folder: Path, kind: str, picture: bytes, mode: str) -> int:
    (folder / "small").write_bytes(KINDS[kind](SMALL))
    (folder / "large").write_bytes(picture)
    command = [sys.executable, "-m", "tests.imaging.peak_child", str(folder / "small"), str(folder / "large"), mode]
    # The allocator is a worker's, and numpy starts no threads, whose stacks would count.
    environment = os.environ | CHILD_ENVIRONMENT
    answer = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return int(answer.stdout)


def test_every_format_is_measured() -> None:
    assert {kind.split()[0] for kind in KINDS} == {found.name for found in FORMATS}


@pytest.mark.parametrize("kind", KINDS)
def test_a_large_picture_stays_below_its_prediction(tmp_path: Path, kind: str) -> None:
    picture = KINDS[kind](LARGE)
    predicted = decode_bytes(read_header(picture), BOX.fit(*LARGE), len(picture))

    measured = measured_bytes(tmp_path, kind, picture, "fitted")

    assert measured <= predicted
    assert predicted <= 2 * measured + (8 << 20)  # a guess that is always right by being huge admits nothing


@pytest.mark.parametrize("kind", ["jpeg", "png alpha", "png palette", "webp alpha", "heic alpha", "avif alpha"])
def test_a_medium_picture_stays_below_its_prediction(tmp_path: Path, kind: str) -> None:
    picture = KINDS[kind](MEDIUM)

    measured = measured_bytes(tmp_path, kind, picture, "fitted")

    assert measured <= decode_bytes(read_header(picture), BOX.fit(*MEDIUM), len(picture))


@pytest.mark.parametrize("kind", ["jpeg", "jpeg cmyk", "png grey", "png alpha", "webp alpha", "heic", "avif alpha"])
def test_a_picture_at_full_size_stays_below_its_prediction(tmp_path: Path, kind: str) -> None:
    picture = KINDS[kind](MEDIUM)

    measured = measured_bytes(tmp_path, kind, picture, "full")

    assert measured <= decode_bytes(read_header(picture), None, len(picture))


@pytest.mark.parametrize("kind", ["jpeg", "jpeg turned", "jpeg cmyk", "png", "png alpha", "webp", "avif", "heic"])
def test_a_picture_left_in_pillows_memory_stays_below_its_prediction(tmp_path: Path, kind: str) -> None:
    picture = KINDS["jpeg" if kind == "jpeg turned" else kind](LARGE)
    if kind == "jpeg turned":
        exif = Image.Exif()
        exif[0x0112] = 6
        picture = encode(scene(*LARGE), "jpeg", exif=exif)
    header = read_header(picture)

    measured = measured_bytes(tmp_path, kind.removesuffix(" turned"), picture, "image")

    assert measured <= image_bytes(header, header.upright, len(picture))
    assert image_bytes(header, header.upright, len(picture)) <= decode_bytes(header, header.upright, len(picture))


def test_the_metadata_of_a_jpeg_takes_no_memory(tmp_path: Path) -> None:
    """Each of 4000 EXIF entries says that its value is 40,000 bytes long: 160 MB in all."""
    entries = b"".join(struct.pack("<HHII", 0x8000 + number, 7, 40_000, 8) for number in range(4000))
    payload = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", 4000) + entries + bytes(4)
    jpeg = encode(scene(*MEDIUM), "jpeg")
    picture = jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(payload) + 2) + payload + jpeg[20:]  # no JFIF: no density

    measured = measured_bytes(tmp_path, "jpeg", picture, "fitted")

    assert measured <= decode_bytes(read_header(picture), BOX.fit(*MEDIUM), len(picture))


def test_a_png_of_a_million_rows_stays_below_its_prediction(tmp_path: Path) -> None:
    picture = encode(Image.new("L", (1, 1_000_000)), "png")

    measured = measured_bytes(tmp_path, "png grey", picture, "full")

    assert (8 << 20) < measured <= decode_bytes(read_header(picture), None, len(picture))


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 1500), st.integers(1, 1500), st.integers(16, 700), st.integers(16, 700))
def test_the_draft_scale_is_the_one_that_pillow_takes(width: int, height: int, box_width: int, box_height: int) -> None:
    data = encode(Image.new("L", (width, height)), "jpeg")
    target = AnalysisSize(box_width, box_height).fit(width, height)
    image = Image.open(io.BytesIO(data))

    image.draft("RGB", target)

    scale = draft_scale(read_header(data), target)
    assert image.size == (-(-width // scale), -(-height // scale))


def test_a_turned_jpeg_has_the_scale_of_its_stored_size() -> None:
    header = PictureHeader(Jpeg(), 4000, 1000, orientation=6)

    assert draft_scale(header, (250, 1000)) == 4
    assert draft_scale(header, None) == 1


def test_a_baseline_jpeg_counts_at_the_scale_at_which_it_is_decoded() -> None:
    header = PictureHeader(Jpeg(), 12000, 9000)

    assert counted_pixels(header, (640, 480)) == 1500 * 1125
    assert counted_pixels(header, None) == 12000 * 9000


def test_a_progressive_jpeg_counts_whole() -> None:
    header = PictureHeader(Jpeg(), 12000, 9000, progressive=True)

    assert counted_pixels(header, (640, 480)) == 12000 * 9000


def test_each_decoded_frame_counts() -> None:
    header = PictureHeader(Gif(), 100, 100, frames=50, animated=True)

    assert counted_pixels(header, None) == 10_000
    assert counted_pixels(header, None, decoded_frames=50) == 500_000


def test_a_picture_over_the_cap_is_refused_with_both_numbers() -> None:
    header = PictureHeader(Png(), 101, 100)

    with pytest.raises(TooManyPixels) as caught:
        check_pixels(header, None, 10_000)

    assert caught.value.extra == {"pixels": 10_100, "limitPixels": 10_000}
    check_pixels(header, None, 10_100)


def test_a_stored_size_beyond_every_decoder_is_refused_at_any_scale() -> None:
    header = PictureHeader(Jpeg(), 20000, 20000)

    with pytest.raises(TooManyPixels) as caught:
        check_pixels(header, (640, 480), 50_000_000)

    assert caught.value.extra["limitPixels"] == MAX_STORED_PIXELS


@given(
    st.builds(
        PictureHeader,
        st.sampled_from(FORMATS),
        st.integers(1, 65535),
        st.integers(1, 65535),
        channels=st.integers(1, 4),
        bits=st.sampled_from((1, 8, 10, 16)),
        progressive=st.booleans(),
        orientation=st.integers(1, 8),
        samples=st.sampled_from((1.0, 1.5, 2.0, 3.0)),
    )
)
def test_a_reduced_decode_is_predicted_to_hold_at_least_its_answer(header: PictureHeader) -> None:
    target = BOX.fit(*header.upright)

    assert decode_bytes(header, target) >= 3 * target[0] * target[1]
    assert decode_bytes(header, target, 1000) >= decode_bytes(header, target)
