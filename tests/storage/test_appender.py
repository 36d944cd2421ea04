from __future__ import annotations

import hashlib
import resource
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.errors import StorageFull
from app.storage.appender import (
    BATCH_BYTES,
    WRITE_BACK_BYTES,
    Appender,
    Hash,
)
from app.storage.blocks import allocate
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
