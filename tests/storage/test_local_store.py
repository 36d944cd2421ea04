from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import resource
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.domain.media import MediaDetails, MediaItem, MediaKind, MediaType
from app.errors import Conflict, InvalidParameter, NotFound, StorageFull
from app.media.sniff import MP4, PNG, WAV
from app.settings import StorageSettings
from app.storage.appender import BATCH_BYTES, BATCH_CHUNKS
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


@pytest.mark.parametrize("size", [1, BATCH_BYTES - 1, BATCH_BYTES, 3 * BATCH_BYTES + 17])
async def test_what_is_written_is_read_back(store: LocalStore, size: int) -> None:
    data = mp4(max(size, 24))[:size]

    item = await put(store, data)

    assert await read(store, item.id) == data
    assert await store.get(item.id) == item
    assert (item.size_bytes, item.sha256) == (size, hashlib.sha256(data).hexdigest())
    assert item.details == MediaDetails(width=640, height=480)
    assert store.usage().stored_bytes == size


async def test_many_tiny_pieces_are_not_kept_back(store: LocalStore) -> None:
    async with store.writer(None, "none") as writer:
        for _ in range(3 * BATCH_CHUNKS):
            await writer.write(b"x")
        on_the_way = store.temp_files.statistics().total_bytes
        item = await writer.commit("x", MP4, MediaDetails())

    assert on_the_way >= 2 * BATCH_CHUNKS
    assert await read(store, item.id) == b"x" * 3 * BATCH_CHUNKS
    assert item.sha256 is None


async def test_a_part_can_be_read(store: LocalStore) -> None:
    data = mp4(300_000)
    item = await put(store, data)

    assert await read(store, item.id, 99_999, 150_001) == data[99_999:250_000]


async def test_files_are_private_and_their_names_are_ours(store: LocalStore, tmp_path: Path) -> None:
    item = await put(store, mp4(100))

    path = store.local_path(item)
    assert path == tmp_path / "root" / item.path
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert path.name == f"{item.id}.mp4"


async def test_nothing_is_visible_before_the_commit(store: LocalStore) -> None:
    async with store.writer(None, "none") as writer:
        await writer.write(mp4(2 * BATCH_BYTES))
        during = (await store.page(10)).items

    assert during == ()


async def test_without_a_commit_nothing_is_left(store: LocalStore, tmp_path: Path) -> None:
    with pytest.raises(ConnectionError):
        await send(store, [mp4(2 * BATCH_BYTES)], ConnectionError("the client is gone"))

    assert files_below(tmp_path / "root") == ["lock"]


async def test_a_cancelled_upload_leaves_nothing(store: LocalStore, tmp_path: Path) -> None:
    writing = asyncio.Event()

    async def upload() -> None:
        async with store.writer(None, "sha256") as writer:
            while True:
                await writer.write(mp4(BATCH_BYTES))
                writing.set()

    task = asyncio.create_task(upload())
    await writing.wait()
    task.cancel()
    await asyncio.wait((task,))

    assert task.cancelled()
    assert files_below(tmp_path / "root") == ["lock"]


async def test_more_than_the_quota_is_refused_while_counting(tmp_path: Path, disk: DiskThreads) -> None:
    store = LocalStore(StorageSettings(root=tmp_path, quota=2 * BATCH_BYTES, free_floor=0), disk)
    await store.open()

    with pytest.raises(StorageFull):
        await send(store, [bytes(BATCH_BYTES)] * 5)

    assert files_below(tmp_path) == ["lock"]
    assert store.usage().reserved_bytes == 0
    await store.aclose()


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


async def test_pages_are_newest_first_and_complete(store: LocalStore) -> None:
    items = [await put(store, mp4(100), media_type) for media_type in (MP4, PNG, WAV, PNG, MP4, PNG, MP4)]

    found: list[MediaItem] = []
    cursor = None
    while True:
        page = await store.page(3, cursor)
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            break

    assert found == items[::-1]


async def test_pages_of_one_kind_hold_only_that_kind(store: LocalStore) -> None:
    items = [await put(store, mp4(100), media_type) for media_type in (MP4, PNG, WAV, PNG)]

    first = await store.page(1, kind=MediaKind.IMAGE)
    second = await store.page(1, first.next_cursor, MediaKind.IMAGE)

    assert (*first.items, *second.items) == (items[3], items[1])
    assert second.next_cursor is None


async def test_an_item_newer_than_the_cursor_does_not_shift_the_next_page(store: LocalStore) -> None:
    items = [await put(store, mp4(100)) for _ in range(4)]
    first = await store.page(2)
    await put(store, mp4(100))
    await store.delete(items[3].id)

    second = await store.page(2, first.next_cursor)

    assert second.items == (items[1], items[0])


async def test_a_foreign_cursor_is_refused(store: LocalStore) -> None:
    with pytest.raises(InvalidParameter):
        await store.page(2, "../../../etc")


async def test_a_deleted_item_is_gone(store: LocalStore, tmp_path: Path) -> None:
    item = await put(store, mp4(1000))

    await store.delete(item.id)

    assert files_below(tmp_path / "root") == ["lock"]
    assert store.usage().stored_bytes == store.usage().items == 0
    with pytest.raises(NotFound):
        await store.get(item.id)
    with pytest.raises(NotFound):
        await store.delete(item.id)


async def test_what_is_read_or_pinned_is_not_deleted(store: LocalStore) -> None:
    item = await put(store, mp4(1000))

    async with store.reader(item.id):
        with pytest.raises(Conflict):
            await store.delete(item.id)
    with store.pin(item.id), pytest.raises(Conflict):
        await store.delete(item.id)

    await store.delete(item.id)


async def test_two_deletes_at_a_time_are_one_delete(store: LocalStore) -> None:
    item = await put(store, mp4(1000))

    results = await asyncio.gather(store.delete(item.id), store.delete(item.id), return_exceptions=True)

    assert sorted(type(result).__name__ for result in results) == ["NoneType", "NotFound"]


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


async def test_broken_metadata_is_no_item_and_no_crash(store: LocalStore) -> None:
    item = await put(store, mp4(1000))
    path = store.local_path(item)
    assert path is not None
    path.with_suffix(".json").write_text('{"id": 1}')

    with pytest.raises(NotFound):
        await store.get(item.id)
    assert (await store.page(10)).items == ()
