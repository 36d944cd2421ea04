from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.domain.units import MIB
from app.storage import extents


@pytest.fixture
def fd(tmp_path: Path) -> Iterator[int]:
    fd = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    yield fd
    os.close(fd)


def blocks_bytes(fd: int) -> int:
    return os.fstat(fd).st_blocks * 512


def test_blocks_are_there_before_the_bytes_and_the_size_stays(fd: int) -> None:
    os.write(fd, b"x" * 1000)

    extents.allocate(fd, 1000, 4 * MIB)

    assert os.fstat(fd).st_size == 1000
    assert blocks_bytes(fd) >= 4 * MIB


def test_what_was_not_needed_is_given_back(fd: int) -> None:
    extents.allocate(fd, 0, 4 * MIB)
    os.write(fd, b"x" * 1000)

    extents.trim(fd)

    assert os.fstat(fd).st_size == 1000
    assert blocks_bytes(fd) <= 8192


def test_more_than_there_can_be_is_no_error(fd: int) -> None:
    extents.allocate(fd, 0, 1 << 60)

    assert os.write(fd, b"still") == 5


def test_writing_back_changes_nothing_that_is_read(fd: int) -> None:
    os.write(fd, b"x" * MIB)

    extents.begin_write_back(fd, 0, MIB)

    assert os.pread(fd, 2 * MIB, 0) == b"x" * MIB


def test_where_the_system_has_no_such_calls_nothing_happens(fd: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extents, "_fallocate", extents._find("no_such_function"))
    monkeypatch.setattr(extents, "_sync_file_range", None)

    extents.allocate(fd, 0, MIB)
    extents.begin_write_back(fd, 0, MIB)

    assert blocks_bytes(fd) == 0
