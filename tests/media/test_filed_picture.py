"""Pictures that lie in an open file: what the first bytes tell, and what goes to a child."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from app.derived.entries import BodyFile
from app.domain.priority import Priority
from app.domain.units import MIB
from app.imaging.header import read_header
from app.media.filed_picture import HEAD_BYTES, lay_open
from app.media.pictures import Pictures
from app.memory.allowance import Allowance
from app.memory.budget import MemoryBudget
from app.storage.scratch import Scratch
from app.storage.space import DiskSpace
from app.storage.tempfiles import TempFiles
from app.storage.threads import DiskThreads
from tests.imaging.pictures import encode, scene

NOISE = Image.fromarray(np.random.default_rng(1).integers(0, 256, (300, 300, 3), np.uint8), "RGB")


@pytest.fixture
def budget() -> Iterator[MemoryBudget]:
    budget = MemoryBudget(8 * MIB, working_set=lambda: 0)
    yield budget
    assert budget.reserved_bytes == 0


@pytest.fixture
async def disk() -> AsyncIterator[DiskThreads]:
    disk = DiskThreads(threads=2)
    yield disk
    await disk.aclose()


@pytest.fixture
def pictures(budget: MemoryBudget, disk: DiskThreads, tmp_path: Path) -> Pictures:
    space = DiskSpace(plenty, quota_bytes=MIB, floor_bytes=0, client_share=0.25)
    scratch = Scratch(TempFiles(tmp_path / "tmp", disk), space)
    return Pictures(budget, Allowance(lambda: MIB), scratch, disk, Priority.REQUEST, 10)


async def plenty() -> int:
    return 10**12


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Any]:
    descriptors: list[int] = []

    def write(data: bytes) -> BodyFile:
        path = tmp_path / "picture"
        path.write_bytes(data)
        descriptors.append(os.open(path, os.O_RDONLY))
        return BodyFile(descriptors[-1], len(data))

    yield write
    for descriptor in descriptors:
        os.close(descriptor)


@pytest.mark.parametrize(("name", "options"), [("jpeg", {"quality": 100}), ("png", {}), ("webp", {"lossless": True})])
async def test_a_large_picture_is_known_by_its_first_bytes(
    pictures: Pictures, disk: DiskThreads, opened: Any, name: str, options: dict[str, Any]
) -> None:
    data = encode(NOISE, name, **options)
    assert len(data) > HEAD_BYTES

    picture = await lay_open(opened(data), "item", pictures, disk, "me")

    assert picture is not None
    assert picture.read_header() == read_header(data)
    assert (picture.size_bytes, picture.is_filed) == (len(data), True)
    assert picture.data == b""


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("jpeg", {"quality": 100, "progressive": True}),
        ("webp", {"lossless": True, "exif": b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"}),
        ("tiff", {}),
        ("bmp", {}),
    ],
)
async def test_what_may_tell_more_behind_its_first_bytes_is_read_whole(
    pictures: Pictures, disk: DiskThreads, opened: Any, name: str, options: dict[str, Any]
) -> None:
    data = encode(NOISE, name, **options)
    assert len(data) > HEAD_BYTES

    assert await lay_open(opened(data), "item", pictures, disk, "me") is None


@pytest.mark.parametrize("name", ["jpeg", "png", "webp", "gif", "avif", "tiff"])
async def test_a_small_picture_of_any_format_is_known_whole(
    pictures: Pictures, disk: DiskThreads, opened: Any, name: str
) -> None:
    data = encode(scene(40, 30), name)

    picture = await lay_open(opened(data), "item", pictures, disk, "me")

    assert picture is not None
    assert picture.read_header() == read_header(data)


@pytest.mark.parametrize("data", [b"", b"no picture", b"\xff\xd8\xff\xe0\0\x10JFIF"])
async def test_what_is_wrong_is_left_to_those_who_read_it_whole(
    pictures: Pictures, disk: DiskThreads, opened: Any, data: bytes
) -> None:
    assert await lay_open(opened(data), "item", pictures, disk, "me") is None


async def test_a_child_is_passed_the_file_and_told_which_of_those_it_is(
    pictures: Pictures, disk: DiskThreads, opened: Any
) -> None:
    file = opened(encode(NOISE, "jpeg"))
    picture = await lay_open(file, "item", pictures, disk, "me")
    assert picture is not None

    message = picture.message({"encoding": {}}, (7, 8))

    assert message.head == {"encoding": {}, "source": 2}
    assert message.descriptors == (7, 8, file.fd)
    assert (message.payload, message.suspect) == (b"", b"item")


async def test_only_what_work_takes_is_reserved(
    pictures: Pictures, disk: DiskThreads, opened: Any, budget: MemoryBudget
) -> None:
    picture = await lay_open(opened(encode(NOISE, "jpeg")), "item", pictures, disk, "me")
    assert picture is not None
    assert budget.reserved_bytes == 0

    async with picture.granted({"render": MIB}, "image"):
        assert budget.reserved_bytes == MIB
