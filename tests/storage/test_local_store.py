"""What only the local store does; what every store does is in `tests/contracts/test_stores.py`."""

from __future__ import annotations

import errno
import os
import resource
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.domain.media import MediaDetails, MediaItem, MediaType
from app.domain.media_types import MP4
from app.errors import StorageFull
from app.settings import StorageSettings
from app.storage.appender import BATCH_BYTES
from app.storage.backends.local import LocalStore
from app.storage.filesystem import UnusableRoot
from app.storage.threads import DiskThreads
from tests.samples import mp4


@pytest.fixture
async def disk() -> AsyncIterator[DiskThreads]:
    threads = DiskThreads()
    yield threads
    await threads.aclose()


@pytest.fixture
async def store(tmp_path: Path, disk: DiskThreads) -> AsyncIterator[LocalStore]:
    store = LocalStore(StorageSettings(root=tmp_path / "root", free_floor=0), disk)
    await store.open()
    yield store
    assert store.usage().reserved_bytes == 0
    assert store.temp_files.statistics().count == 0
    await store.aclose()
    assert files_below(tmp_path / "root" / "tmp") == []


def files_below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


async def put(store: LocalStore, data: bytes, media_type: MediaType = MP4, piece: int = 100_000) -> MediaItem:
    async with store.writer(len(data), "sha256") as writer:
        for at in range(0, len(data), piece):
            await writer.write(memoryview(data)[at : at + piece])
        return await writer.commit("a name.mp4", media_type, MediaDetails(width=640, height=480))


async def send(store: LocalStore, pieces: list[bytes], end: Exception | None = None) -> None:
    """Write pieces of undeclared length, raise `end` if there is one, and never commit."""
    async with store.writer(None, "sha256") as writer:
        for piece in pieces:
            await writer.write(piece)
        if end is not None:
            raise end


async def read(store: LocalStore, media_id: str, offset: int = 0, length: int | None = None) -> bytes:
    async with store.reader(media_id) as reader:
        length = reader.item.size_bytes - offset if length is None else length
        return b"".join([chunk async for chunk in reader.chunks(offset, length, 70_000)])


async def test_files_are_private_and_their_names_are_ours(store: LocalStore, tmp_path: Path) -> None:
    item = await put(store, mp4(100))

    path = store.local_path(item)
    assert path == tmp_path / "root" / item.path
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert path.name == f"{item.id}.mp4"


async def test_a_full_disk_is_storage_full_and_leaves_nothing(store: LocalStore, tmp_path: Path) -> None:
    # A limit on the size of files is what a test can make of a full disk without being root: EFBIG for ENOSPC.
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (BATCH_BYTES, before[1]))
    try:
        with pytest.raises(StorageFull):
            await send(store, [bytes(BATCH_BYTES)] * 4)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)

    assert files_below(tmp_path / "root") == ["lock"]


async def test_a_commit_that_fails_leaves_nothing(store: LocalStore, tmp_path: Path) -> None:
    (tmp_path / "root" / "media").mkdir()
    (tmp_path / "root" / "media" / "video").write_text("in the way")

    with pytest.raises(OSError, match=os.strerror(errno.ENOTDIR)):
        await put(store, mp4(1000))
    (tmp_path / "root" / "media" / "video").unlink()

    assert files_below(tmp_path / "root") == ["lock"]


async def test_a_file_that_was_cut_is_not_given_as_whole(store: LocalStore) -> None:
    item = await put(store, mp4(1000))
    path = store.local_path(item)
    assert path is not None
    os.truncate(path, 999)

    with pytest.raises(OSError, match="another size"):
        await read(store, item.id)

    await store.delete(item.id)  # the failed reader pins nothing


async def test_a_restart_keeps_items_and_sweeps_what_is_unfinished(tmp_path: Path, disk: DiskThreads) -> None:
    settings = StorageSettings(root=tmp_path, free_floor=0)
    store = LocalStore(settings, disk)
    await store.open()
    kept, torn, bare = [await put(store, mp4(1000 + number)) for number in range(3)]
    await store.aclose()
    (tmp_path / torn.path).with_suffix(".json").unlink()  # killed between the two renames, or in a delete
    (tmp_path / bare.path).unlink()
    (tmp_path / "tmp" / "upload-0").write_bytes(b"partial")

    store = LocalStore(settings, disk)
    await store.open()

    assert (await store.page(10)).items == (kept,)
    assert store.usage().stored_bytes == 1000
    assert len(files_below(tmp_path)) == 3  # the lock, the object and its metadata
    await store.aclose()


@pytest.mark.usefixtures("store")
async def test_a_root_in_use_is_refused(tmp_path: Path, disk: DiskThreads) -> None:
    second = LocalStore(StorageSettings(root=tmp_path / "root"), disk)

    with pytest.raises(UnusableRoot, match="in use by another"):
        await second.open()


async def test_a_root_that_cannot_be_made_is_refused(tmp_path: Path, disk: DiskThreads) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(UnusableRoot, match="cannot be used"):
        await LocalStore(StorageSettings(root=tmp_path / "file" / "root"), disk).open()
