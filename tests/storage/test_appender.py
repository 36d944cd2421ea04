from __future__ import annotations

import hashlib
import os
import resource
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.domain.units import MIB
from app.errors import StorageFull
from app.storage import appender as module
from app.storage.appender import (
    BATCH_BYTES,
    WRITE_BACK_BYTES,
    Appender,
    Hash,
    allocate,
    begin_write_back,
    trim,
)
from app.storage.threads import DiskThreads
from tests.samples import mp4


@pytest.fixture
async def disk() -> AsyncIterator[DiskThreads]:
    threads = DiskThreads()
    yield threads
    await threads.aclose()


async def allow(_size_bytes: int) -> None:
    """Let any number of bytes be written."""


def open_appender(path: Path, disk: DiskThreads, *digests: Hash, start: int = 0) -> Appender:
    path.touch()
    return Appender(path, disk, allow, digests, synced=True, start_bytes=start)


async def write_all(appender: Appender, data: bytes) -> None:
    for at in range(0, len(data), BATCH_BYTES):
        await appender.write(data[at : at + BATCH_BYTES])
    await appender.sync()


@contextmanager
def file_size_limit(size_bytes: int) -> Iterator[None]:
    """What a test can make of a full disk without being root: EFBIG for ENOSPC."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


async def test_bytes_go_behind_those_that_are_there(tmp_path: Path, disk: DiskThreads) -> None:
    data = mp4(2 * WRITE_BACK_BYTES + 123)
    path = tmp_path / "file"

    for start in (0, WRITE_BACK_BYTES + 7):
        appender = open_appender(path, disk, start=start)
        for at in range(start, len(data) if start else WRITE_BACK_BYTES + 7, 100_000):
            end = min(at + 100_000, len(data) if start else WRITE_BACK_BYTES + 7)
            await appender.write(memoryview(data)[at:end])
        await appender.sync()
        await appender.aclose()

    assert path.read_bytes() == data


async def test_what_was_written_is_what_the_digests_have_seen(tmp_path: Path, disk: DiskThreads) -> None:
    data = mp4(4 * BATCH_BYTES)
    digests = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    path = tmp_path / "file"
    appender = open_appender(path, disk, *digests)

    with file_size_limit(BATCH_BYTES + 1000), pytest.raises(StorageFull):
        await write_all(appender, data)
    await appender.aclose()

    assert appender.written_bytes == BATCH_BYTES
    assert digests[0].digest() == hashlib.sha256(data[:BATCH_BYTES]).digest()
    assert digests[1].digest() == hashlib.md5(data[:BATCH_BYTES], usedforsecurity=False).digest()


async def test_what_was_not_flushed_is_dropped(tmp_path: Path, disk: DiskThreads) -> None:
    appender = open_appender(tmp_path / "file", disk)

    await appender.write(b"few")
    await appender.aclose()

    assert (appender.size_bytes, appender.written_bytes) == (3, 0)
    assert (tmp_path / "file").read_bytes() == b""


@pytest.mark.parametrize("flushed", [True, False], ids=["kept", "dropped"])
async def test_no_block_stays_allocated_behind_the_last_byte(tmp_path: Path, disk: DiskThreads, flushed: bool) -> None:
    path = tmp_path / "file"
    appender = open_appender(path, disk)
    await appender.write(b"x" * (BATCH_BYTES + 5))
    await appender.write(b"x" * 100)

    if flushed:
        await appender.sync()
    await appender.aclose()

    state = path.stat()
    assert state.st_size >= BATCH_BYTES + 5
    assert state.st_blocks * 512 <= state.st_size + 8192


async def test_blocks_that_a_killed_run_allocated_go_with_the_next_sync(tmp_path: Path, disk: DiskThreads) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"begun")
    with path.open("r+b") as file:
        allocate(file.fileno(), 5, 8 * 1024 * 1024)
    appender = open_appender(path, disk, start=5)

    await appender.write(b" and done")
    await appender.sync()
    await appender.aclose()

    assert path.read_bytes() == b"begun and done"
    assert path.stat().st_blocks * 512 <= 8192


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

    assert os.pread(fd, 2 * MIB, 0) == b"x" * MIB


def test_where_the_system_has_no_such_calls_nothing_happens(fd: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_fallocate", module._find("no_such_function"))
    monkeypatch.setattr(module, "_sync_file_range", None)

    allocate(fd, 0, MIB)
    begin_write_back(fd, 0, MIB)

    assert blocks_bytes(fd) == 0
