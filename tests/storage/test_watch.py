"""Looking at the disk and at the store, without anybody waiting for either."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from app.errors import StorageUnavailable
from app.settings import StorageSettings
from app.storage.store import MediaStore
from app.storage.watch import DiskState, StorageWatch, look_at

WELL = DiskState(total_bytes=10**12, free_bytes=10**11, total_inodes=1000, free_inodes=900)


class Store:
    """A store somewhere else, which answers or not."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.error: Exception | None = None
        self.asked = 0

    async def ask(self) -> None:
        self.asked += 1
        if self.error is not None:
            raise self.error


@asynccontextmanager
async def watching(store: Store, look: Callable[[Path, bool], DiskState] | None) -> AsyncIterator[StorageWatch]:
    settings = StorageSettings(root=store.root, watch_seconds=0.02, free_floor=10**10)
    watch = StorageWatch(cast(MediaStore, store), settings, look)
    running = asyncio.create_task(watch.run())
    try:
        yield watch
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def test_where_all_is_well_nothing_is_said_and_the_numbers_are_there(tmp_path: Path) -> None:
    async with watching(Store(tmp_path), lambda _root, _synced: WELL) as watch:
        await until(lambda: watch.disk is not None)

        assert watch.disk == WELL
        assert watch.troubles() == []
        assert not watch.disk_is_full


@pytest.mark.parametrize(
    ("disk", "words"),
    [
        (DiskState(10**12, 10**10 + 1000, 1000, 900), "no more room"),
        (DiskState(10**12, 10**11, 1000, 0), "no inodes"),
        (DiskState(10**12, 10**11, 1000, 900, "the disk takes no writes: read-only file system"), "read-only"),
    ],
)
async def test_a_disk_that_takes_nothing_is_told(tmp_path: Path, disk: DiskState, words: str) -> None:
    async with watching(Store(tmp_path), lambda _root, _synced: disk) as watch:
        await until(watch.troubles)

        assert words in watch.troubles()[0]
        assert watch.disk_is_full == (disk.refusal is None)


async def test_a_file_system_without_a_number_of_inodes_is_not_full(tmp_path: Path) -> None:
    btrfs = DiskState(10**12, 10**11, 0, 0)
    async with watching(Store(tmp_path), lambda _root, _synced: btrfs) as watch:
        await until(lambda: watch.disk is not None)

        assert watch.troubles() == []


async def test_a_disk_that_hangs_is_told_and_forgiven_and_one_thread_waits_for_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    thawed, looks = threading.Event(), 0

    def look(_root: Path, _synced: bool) -> DiskState:
        nonlocal looks
        looks += 1
        thawed.wait(10)
        return WELL

    async with watching(Store(tmp_path), look) as watch:
        await until(lambda: watch.disk_hangs)
        await asyncio.sleep(0.1)  # several rounds
        assert watch.troubles() == ["the disk does not answer"]
        assert looks == 1

        thawed.set()
        await until(lambda: not watch.troubles() and "storage is well" in caplog.text)

    told = [line.message for line in caplog.records if line.name == "ballast.storage"]
    assert told == ["nothing can be stored", "storage is well"]


async def test_a_store_that_is_away_is_told_after_two_times_and_at_once_when_it_is_back(tmp_path: Path) -> None:
    store = Store(tmp_path)
    async with watching(store, lambda _root, _synced: WELL) as watch:
        await until(lambda: store.asked)
        assert watch.troubles() == []

        store.error = StorageUnavailable("it is away")
        await until(lambda: watch.store_is_away)
        assert watch.troubles() == ["the object store does not answer"]

        store.error = None
        await until(lambda: not watch.troubles())


def test_a_real_disk_says_what_it_has_and_takes_a_byte(tmp_path: Path) -> None:
    found = look_at(tmp_path, synced=True)

    facts = os.statvfs(tmp_path)
    assert found.refusal is None
    assert found.total_bytes == facts.f_blocks * facts.f_frsize
    assert 0 < found.free_bytes <= found.total_bytes
    assert (tmp_path / "state" / "watch").stat().st_size == 1


@pytest.mark.parametrize(("number", "is_told"), [(errno.EROFS, True), (errno.EIO, True), (errno.ENOSPC, False)])
def test_why_a_write_fails_is_told_but_for_a_full_disk_whose_numbers_tell_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, is_told: bool
) -> None:
    def refuse(*_arguments: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("app.storage.watch.os", SimpleNamespace(**{**vars(os), "pwrite": refuse}))

    found = look_at(tmp_path, synced=True)

    assert (found.refusal is not None) == is_told
    assert str(tmp_path) not in (found.refusal or "")
