from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from app.domain.analysis_size import AnalysisSize
from app.errors import InvalidMedia
from app.imaging.decode import RgbArray, decode_picture
from app.imaging.verified_png import VerifiedPng
from tests.imaging.pictures import encode, png_chunk, samples, scene, with_alpha

BOX = AnalysisSize(200, 140)
SIZE = (200, 140)
IEND = png_chunk(b"IEND", b"")
LAST_BYTE, ADLER = -1, -4

# First column and row of each pass, and the steps to the next: PNG third edition, 8.1.
ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def decoded(png: bytes) -> RgbArray:
    return decode_picture(png, BOX, 1 << 20).rgb


def loaded(png: bytes, plugin: type[PngImagePlugin.PngImageFile]) -> bytes:
    image = plugin(io.BytesIO(png))
    image.load()
    return image.tobytes()


def parts(png: bytes) -> tuple[bytes, bytes, bytes]:
    """Return what comes before the image data, the zlib stream of it, and what comes behind."""
    at = 8
    stream, before, behind = b"", png[:8], b""
    while at < len(png):
        (length,) = struct.unpack_from(">I", png, at)
        chunk = png[at : at + 12 + length]
        if chunk[4:8] == b"IDAT":
            stream += chunk[8:-4]
        elif stream:
            behind += chunk
        else:
            before += chunk
        at += 12 + length
    return before, stream, behind


def rebuilt(png: bytes, streams: Iterable[bytes]) -> bytes:
    """Put other image data into a PNG, a chunk for each piece, with the right checksums."""
    before, _, behind = parts(png)
    return before + b"".join(png_chunk(b"IDAT", piece) for piece in streams) + behind


def interlaced(pixels: NDArray[np.uint8]) -> bytes:
    """A grey PNG in seven passes; Pillow does not write any."""
    passes = [pixels[top::down, left::across] for left, top, across, down in ADAM7]
    rows = b"".join(b"\0" + row.tobytes() for each in passes for row in each if row.size)
    header = struct.pack(">IIBBBBB", pixels.shape[1], pixels.shape[0], 8, 0, 0, 0, 1)
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", zlib.compress(rows)) + IEND


def of_mode(mode: str) -> bytes:
    source = with_alpha(scene()) if mode in ("RGBA", "LA") else scene()
    if mode == "I;16":
        return encode(Image.fromarray(np.asarray(source.convert("L")).astype(np.uint16) * 257), "png")
    return encode(source.convert(mode), "png")


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "I;16"])
@pytest.mark.parametrize("piece", [1, 7, 1000, 1 << 20])
def test_a_whole_png_is_what_pillow_makes_of_it(mode: str, piece: int) -> None:
    png = of_mode(mode)
    stream = parts(png)[1]
    split = rebuilt(png, (stream[at : at + piece] for at in range(0, len(stream), piece)))

    assert loaded(split, VerifiedPng) == loaded(png, PngImagePlugin.PngImageFile)


@pytest.mark.parametrize("level", [0, 1, 9])
def test_a_large_png_is_what_pillow_makes_of_it(level: int) -> None:
    noise = np.random.default_rng(7).integers(0, 255, (700, 900, 3), np.uint8)
    noise[:400] = 90
    png = encode(Image.fromarray(noise), "png", compress_level=level)

    assert loaded(png, VerifiedPng) == noise.tobytes()


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 255))
def test_an_interlaced_png_is_decoded(width: int, height: int, first: int) -> None:
    pixels = (np.arange(width * height).reshape(height, width) * 3 + first).astype(np.uint8)

    assert loaded(interlaced(pixels), VerifiedPng) == pixels.tobytes()


def test_the_first_picture_of_an_apng_is_taken() -> None:
    assert np.abs(decoded(samples()["apng"]).astype(int) - np.asarray(scene()).astype(int)).max() == 0


def test_empty_chunks_and_what_stands_behind_the_end_do_not_matter() -> None:
    png = samples()["png"]
    stream = parts(png)[1]
    odd = rebuilt(png, [b"", b"", stream[:50], b"", stream[50:], b"", b""]) + b"trailing" + samples()["jpeg"]

    assert (decoded(odd) == decoded(png)).all()


def test_a_little_data_behind_the_last_row_is_passed_over_but_no_bomb() -> None:
    png = samples()["png"]
    rows = zlib.decompress(parts(png)[1])

    assert (decoded(rebuilt(png, [zlib.compress(rows + bytes(1000))])) == decoded(png)).all()
    with pytest.raises(InvalidMedia):
        decoded(rebuilt(png, [zlib.compress(rows + bytes(100 << 20))]))


@pytest.mark.parametrize("kind", ["png", "png palette", "png alpha", "apng"])
@pytest.mark.parametrize("missing", [1, 4, 5, 30])
def test_a_stream_that_ends_early_is_invalid(kind: str, missing: int) -> None:
    stream = parts(samples()[kind])[1]

    with pytest.raises(InvalidMedia):
        decoded(rebuilt(samples()[kind], [stream[:-missing]]))


@pytest.mark.parametrize("rows", [0, 1, 139])
def test_a_whole_stream_of_too_few_rows_is_invalid(rows: int) -> None:
    png = samples()["png"]
    whole = zlib.decompress(parts(png)[1])

    with pytest.raises(InvalidMedia):
        decoded(rebuilt(png, [zlib.compress(whole[: rows * 601])]))


def test_an_interlaced_stream_of_too_few_rows_is_invalid() -> None:
    png = interlaced(np.full((48, 64), 90, np.uint8))
    whole = zlib.decompress(parts(png)[1])

    with pytest.raises(InvalidMedia):
        decoded(rebuilt(png, [zlib.compress(whole[:-65])]))


@pytest.mark.parametrize("at", [LAST_BYTE, ADLER])
def test_a_wrong_checksum_of_the_stream_is_invalid(at: int) -> None:
    stream = bytearray(parts(samples()["png"])[1])
    stream[at] ^= 1

    with pytest.raises(InvalidMedia):
        decoded(rebuilt(samples()["png"], [bytes(stream)]))


def test_a_wrong_checksum_of_a_chunk_is_invalid() -> None:
    png = bytearray(samples()["png"])
    assert png[-16:-12] == png_chunk(b"IDAT", parts(samples()["png"])[1])[-4:]
    png[-16] ^= 1

    with pytest.raises(InvalidMedia):
        decoded(bytes(png))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damage_of_the_stream_is_noticed_or_changes_nothing(data: st.DataObject) -> None:
    png = samples()["png palette"]
    stream = bytearray(parts(png)[1])
    for _ in range(data.draw(st.integers(1, 3))):
        stream[data.draw(st.integers(0, len(stream) - 1))] ^= data.draw(st.integers(1, 255))

    try:
        rgb = decoded(rebuilt(png, [bytes(stream)]))
    except InvalidMedia:
        return

    assert (rgb == decoded(png)).all()


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_for_a_stream_are_invalid(stream: bytes) -> None:
    with pytest.raises(InvalidMedia):
        decoded(rebuilt(samples()["png"], [stream]))
