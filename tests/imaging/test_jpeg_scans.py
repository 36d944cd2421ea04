from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from app.domain.analysis_size import AnalysisSize
from app.errors import InvalidMedia
from app.imaging.decode import decode_picture
from app.imaging.header import read_header
from tests.imaging.pictures import encode, multi_scan_jpeg, repeated_scan_jpeg, resized_header, samples, scene

END = b"\xff\xd9"
SCAN = b"\xff\xda"
TOO_MANY = 2000
"""More scans than a picture of any size may have."""


def segment(marker: int, payload: bytes) -> bytes:
    return bytes((0xFF, marker)) + struct.pack(">H", len(payload) + 2) + payload


def before_last_scan(jpeg: bytes, inserted: bytes) -> bytes:
    at = jpeg.rindex(SCAN)
    return jpeg[:at] + inserted + jpeg[at:]


@pytest.mark.parametrize("size", [(1, 1), (640, 480), (4000, 3000), (7304, 5478), (8160, 6120), (12000, 9000)])
@pytest.mark.parametrize(("mode", "sampling"), [("L", 0), ("RGB", 0), ("RGB", 2), ("CMYK", 0)])
def test_the_script_of_libjpeg_is_accepted_at_every_size(size: tuple[int, int], mode: str, sampling: int) -> None:
    small = encode(scene(64, 48).convert(mode), "jpeg", progressive=True, subsampling=sampling)

    header = read_header(resized_header(small, (48, 64), size[::-1], ">HH"))

    assert (header.width, header.height, header.progressive) == (*size, True)


@pytest.mark.parametrize("size", [(64, 48), (640, 480), (6000, 4000)])
def test_a_scan_that_is_repeated_thousands_of_times_is_refused(size: tuple[int, int]) -> None:
    small = repeated_scan_jpeg(64, 48, 100_000)
    assert small.count(SCAN) > TOO_MANY

    with pytest.raises(InvalidMedia, match="more scans"):
        read_header(resized_header(small, (48, 64), size[::-1], ">HH"))


def test_the_larger_the_picture_the_fewer_scans_it_may_have() -> None:
    progressive = samples()["jpeg progressive"]
    last = progressive[progressive.rindex(SCAN) : -2]
    jpeg = progressive[:-2] + 60 * last + END

    read_header(jpeg)

    with pytest.raises(InvalidMedia):
        read_header(resized_header(jpeg, (140, 200), (5000, 8000), ">HH"))


def test_a_sequential_jpeg_in_thousands_of_scans_is_refused() -> None:
    jpeg = multi_scan_jpeg(64, 48)
    scans = jpeg[jpeg.index(SCAN) : -2]

    with pytest.raises(InvalidMedia):
        read_header(jpeg[:-2] + TOO_MANY * scans + END)


def test_what_follows_the_one_scan_of_a_baseline_jpeg_is_not_counted() -> None:
    baseline = samples()["jpeg"]

    assert not read_header(baseline[:-2] + TOO_MANY * SCAN + END).progressive


def test_scans_in_the_metadata_are_not_counted() -> None:
    jpeg = samples()["jpeg progressive"]

    read_header(jpeg[:2] + segment(0xE2, SCAN * TOO_MANY) + jpeg[2:])


def test_scans_in_a_comment_between_scans_are_not_counted() -> None:
    read_header(before_last_scan(samples()["jpeg progressive"], segment(0xFE, SCAN * TOO_MANY)))


def test_scans_of_further_pictures_behind_the_end_are_not_counted() -> None:
    jpeg = samples()["jpeg progressive"]

    read_header(jpeg + TOO_MANY * jpeg)


@pytest.mark.parametrize("hidden", [END, b"\xff\x05" + END, b"\xff\x01" + END])
def test_an_end_that_stands_in_a_segment_hides_no_scans(hidden: bytes) -> None:
    jpeg = repeated_scan_jpeg(64, 48, 100_000)
    second = jpeg.index(SCAN, jpeg.index(SCAN) + 2)

    with pytest.raises(InvalidMedia):
        read_header(jpeg[:second] + segment(0xFE, hidden) + jpeg[second:])


def test_a_marker_without_a_meaning_hides_no_scans() -> None:
    """In search of a restart marker libjpeg skips such a marker alone, and not what seems to be its length."""
    jpeg = repeated_scan_jpeg(64, 48, 100_000)
    second = jpeg.index(SCAN, jpeg.index(SCAN) + 2)

    with pytest.raises(InvalidMedia):
        read_header(jpeg[:second] + b"\xff\x05\xff\xff" + jpeg[second:])


def test_thousands_of_segments_between_scans_are_refused_where_scans_must_be_told_from_them() -> None:
    comments = segment(0xFE, SCAN) * 10_000

    with pytest.raises(InvalidMedia, match="segments"):
        read_header(before_last_scan(samples()["jpeg progressive"], comments))


@pytest.mark.parametrize("kind", ["jpeg progressive", "jpeg scans"])
def test_what_is_left_of_a_truncated_scan_header_is_no_error(kind: str) -> None:
    jpeg = samples()[kind]
    start = jpeg.rindex(SCAN)

    for end in range(start, start + 14):
        assert read_header(jpeg[:end]).progressive


def test_components_of_the_same_number_all_count() -> None:
    jpeg = bytearray(resized_header(repeated_scan_jpeg(64, 48, 3000), (48, 64), (5000, 8000), ">HH"))
    frame = jpeg.index(b"\xff\xc2")
    for index in range(3):
        jpeg[frame + 10 + 3 * index] = 1

    with pytest.raises(InvalidMedia):
        read_header(bytes(jpeg))


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=20),
            st.sampled_from(
                (SCAN, END, b"\xff\0", b"\xff\xff", b"\xff\xd0", b"\xff\xda\0\x0c\x03\x01\0\x02\0\x03\0\0\0\0")
            ),
            st.builds(segment, st.sampled_from((0xC4, 0xDD, 0xE1, 0xFE)), st.binary(max_size=20)),
        ),
        max_size=60,
    ),
    st.integers(1, 200),
)
def test_any_bytes_behind_the_first_scan_are_accepted_or_invalid(pieces: list[bytes], times: int) -> None:
    jpeg = samples()["jpeg progressive"]
    at = jpeg.index(SCAN) + 14

    try:
        header = read_header(jpeg[:at] + b"".join(pieces) * times)
    except InvalidMedia:
        return

    assert (header.width, header.height) == (200, 140)


def test_the_metadata_is_not_parsed_but_adobes_is() -> None:
    """CMYK by Adobe is stored inverted, or as YCCK: without APP14 the colours would be wrong."""
    cmyk = encode(Image.new("CMYK", (64, 48), (0, 255, 255, 0)), "jpeg", quality=95)

    red = decode_picture(cmyk, AnalysisSize(64, 48), 1 << 20).rgb[20, 20]

    assert red.tolist() == pytest.approx([255, 0, 0], abs=6)
