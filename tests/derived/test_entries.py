"""Files of the cache: what is not whole is not believed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from app.derived.entries import BodyFile, entry_bytes, open_entry, write_entry
from app.domain.units import KIB

BODY = os.urandom(600 * KIB)
HEAD = b'{"contentType":"image/jpeg"}'


def read(path: Path) -> tuple[bytes, bytes] | None:
    found = open_entry(path)
    if found is None:
        return None
    head, body = found
    try:
        return head, os.pread(body.fd, body.size_bytes, 0)
    finally:
        os.close(body.fd)


def test_what_was_written_is_read_and_as_large_as_was_said(tmp_path: Path) -> None:
    write_entry(tmp_path / "entry", HEAD, BODY)

    assert read(tmp_path / "entry") == (HEAD, BODY)
    assert (tmp_path / "entry").stat().st_size == entry_bytes(HEAD, len(BODY))


def test_a_body_may_come_from_a_file_that_has_no_name(tmp_path: Path) -> None:
    fd = os.memfd_create("picture")
    try:
        os.write(fd, BODY)
        write_entry(tmp_path / "entry", HEAD, BodyFile(fd, len(BODY)))
    finally:
        os.close(fd)

    assert read(tmp_path / "entry") == (HEAD, BODY)


def test_a_body_that_is_shorter_than_it_should_be_leaves_no_file(tmp_path: Path) -> None:
    fd = os.memfd_create("picture")
    try:
        os.write(fd, b"short")
        with pytest.raises(OSError, match="shorter"):
            write_entry(tmp_path / "entry", HEAD, BodyFile(fd, 6))
    finally:
        os.close(fd)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("at", [0, 300 * KIB, 600 * KIB + 3, -2], ids=["body", "body too", "head", "trailer"])
def test_a_changed_byte_is_noticed(tmp_path: Path, at: int) -> None:
    path = tmp_path / "entry"
    write_entry(path, HEAD, BODY)
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)

    assert read(path) is None


@pytest.mark.parametrize("size", [0, 5, 600 * KIB, 600 * KIB + 40])
def test_what_a_power_cut_left_of_a_file_is_not_believed(tmp_path: Path, size: int) -> None:
    path = tmp_path / "entry"
    write_entry(path, HEAD, BODY)
    os.truncate(path, size)

    assert read(path) is None


def test_what_is_not_there_is_not_found(tmp_path: Path) -> None:
    assert read(tmp_path / "entry") is None
