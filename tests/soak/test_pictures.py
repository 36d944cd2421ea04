from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from soak.pictures import NoPictures, grey_jpeg, read_pictures

MIB = 1024 * 1024


@pytest.mark.parametrize("size", [(640, 480), (641, 483), (8, 8), (1, 1)])
def test_the_drawn_picture_is_a_jpeg_of_one_grey_that_others_can_read(size: tuple[int, int]) -> None:
    data = grey_jpeg(*size)

    image = Image.open(io.BytesIO(data))
    image.load()

    assert (image.format, image.mode, image.size) == ("JPEG", "L", size)
    assert image.getextrema() == (128, 128)


def test_without_a_folder_the_picture_is_drawn_and_that_is_said() -> None:
    pictures = read_pictures(None, MIB)

    assert pictures.drawn
    assert pictures.photos == pictures.frames


def test_a_folder_gives_its_pictures_and_streams_only_the_small_ones(tmp_path: Path) -> None:
    for name, size in (("b.png", 400_000), ("a.JPG", 1000), ("large.webp", 2 * MIB), ("notes.txt", 10)):
        (tmp_path / name).write_bytes(b"x" * size)

    pictures = read_pictures(tmp_path, MIB)

    assert [(len(one.data), one.content_type) for one in pictures.photos] == [
        (1000, "image/jpeg"),
        (400_000, "image/png"),
    ]
    assert [len(one.data) for one in pictures.frames] == [1000]
    assert not pictures.drawn


def test_where_all_are_large_the_smallest_is_streamed(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"x" * 500_000)
    (tmp_path / "b.png").write_bytes(b"x" * 400_000)

    assert [len(one.data) for one in read_pictures(tmp_path, MIB).frames] == [400_000]


def test_a_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("none")

    with pytest.raises(NoPictures, match="no JPEG"):
        read_pictures(tmp_path, MIB)
