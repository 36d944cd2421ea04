from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.domain.units import MIB
from app.storage import blocks as module
from app.storage.blocks import allocate, begin_write_back, trim, write_out


@pytest.fixture
def fd(tmp_path: Path) -> Iterator[int]:
    fd = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    yield fd
    os.close(fd)


def blocks_bytes(fd: int) -> int:
    return os.fstat(fd).st_blocks * 512


def test_blocks_are_there_before_the_bytes_and_the_size_stays(fd: int) -> None:
    os.write(fd, b"x" * 1000)

    allocate(fd, 1000, 4 * MIB)

    assert os.fstat(fd).st_size == 1000
    assert blocks_bytes(fd) >= 4 * MIB


def test_what_was_not_needed_is_given_back(fd: int) -> None:
    allocate(fd, 0, 4 * MIB)
    os.write(fd, b"x" * 1000)

    trim(fd)

    assert os.fstat(fd).st_size == 1000
    assert blocks_bytes(fd) <= 8192


def test_more_than_there_can_be_is_no_error(fd: int) -> None:
    allocate(fd, 0, 1 << 60)

    assert os.write(fd, b"still") == 5


def test_writing_back_changes_nothing_that_is_read(fd: int) -> None:
    os.write(fd, b"x" * MIB)

    begin_write_back(fd, 0, MIB)
    write_out(fd, 0, MIB)

    assert os.pread(fd, 2 * MIB, 0) == b"x" * MIB


def test_writing_out_tells_of_what_the_disk_does_not_take() -> None:
    reading, writing = os.pipe()  # what is written there never comes to a disk

    with pytest.raises(OSError, match="Illegal seek"):
        write_out(writing, 0, MIB)

    os.close(reading)
    os.close(writing)


def test_where_the_system_has_no_such_calls_nothing_happens(fd: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_fallocate", module._find("no_such_function"))
    monkeypatch.setattr(module, "_sync_file_range", None)

    allocate(fd, 0, MIB)
    begin_write_back(fd, 0, MIB)

    assert blocks_bytes(fd) == 0
