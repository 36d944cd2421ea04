"""What every storage back end promises, asked of each one that is found."""

from __future__ import annotations

import asyncio
import hashlib
import json
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import obstore
import pytest
from obstore.store import S3Store as Bucket

import app.storage.backends
from app.domain.media import MediaDetails, MediaItem, MediaKind, MediaType
from app.domain.media_types import MP4, WAV
from app.domain.units import MIB
from app.errors import Conflict, InvalidParameter, NotFound, StorageFull
from app.imaging.formats.png import Png
from app.media.pieces import Creation, Piece
from app.media.resumable import Resumable
from app.memory.budget import MemoryBudget
from app.registry import load
from app.settings import StorageSettings, UploadSettings
from app.storage import ids
from app.storage.ages import Ages
from app.storage.appender import BATCH_BYTES, BATCH_CHUNKS
from app.storage.backends.s3 import S3Settings
from app.storage.records import StageRecords
from app.storage.stagefiles import StageFiles
from app.storage.staging import Staging
from app.storage.store import MediaStore
from app.storage.threads import DiskThreads
from app.storage.writer import FinishedFile
from tests.media.resumables import build, give
from tests.samples import mp4
from tests.storage.s3_server import S3Server

BACKENDS = [module.name for module in pkgutil.iter_modules(app.storage.backends.__path__)]

PNG = Png.media_type
LARGE_BYTES = 11 * MIB + 17
"""More than two parts of a multipart upload."""


class Ground(ABC):
    """Where one back end keeps its things, seen past it."""

    def __init__(self, settings: StorageSettings) -> None:
        self.settings = settings

    def with_settings(self, **others: object) -> StorageSettings:
        return self.settings.model_copy(update=others)

    def files(self) -> list[str]:
        """Return everything that is there, beside the lock."""
        root = self.settings.root
        local = [str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()]
        return sorted(name for name in local + self.objects() if name != "lock")

    def objects(self) -> list[str]:
        """Return the objects that are kept elsewhere than below the root."""
        return []

    @abstractmethod
    def write(self, path: str, data: bytes) -> None:
        """Put an object past the store."""

    @abstractmethod
    def remove(self, path: str) -> None:
        """Remove an object past the store."""


class LocalGround(Ground):
    def write(self, path: str, data: bytes) -> None:
        (self.settings.root / path).write_bytes(data)

    def remove(self, path: str) -> None:
        (self.settings.root / path).unlink()


class S3Ground(Ground):
    def __init__(self, server: S3Server, settings: S3Settings) -> None:
        super().__init__(settings)
        self._prefix = settings.s3_prefix
        self._server = server
        self._bucket = Bucket(
            server.bucket,
            endpoint=server.endpoint,
            region="us-east-1",
            prefix=settings.s3_prefix,
            access_key_id=server.access_key,
            secret_access_key=server.secret_key,
            client_options={"allow_http": True, "pool_max_idle_per_host": "0"},
        )

    def objects(self) -> list[str]:
        mine = [name.removeprefix(f"{self._prefix}/") for name in self._server.files(self._prefix)]
        return mine + self._server.files(".uploads")

    def write(self, path: str, data: bytes) -> None:
        obstore.put(self._bucket, path, data)

    def remove(self, path: str) -> None:
        obstore.delete(self._bucket, path)


Lay = Callable[[Path], Ground]


@pytest.fixture(params=BACKENDS, scope="session")
def lay(request: pytest.FixtureRequest) -> Lay:
    """Give what lays the ground of a back end; of the session, so that a server is no leak of the first test."""
    if request.param == "local":
        return lambda root: LocalGround(StorageSettings(root=root, free_floor=0))
    if request.param == "s3":
        server: S3Server = request.getfixturevalue("s3")
        return lambda root: S3Ground(server, server.settings(root))
    pytest.fail(f"the back end {request.param} has no ground here: add one, and it is tested")


@pytest.fixture
def ground(lay: Lay, tmp_path: Path) -> Ground:
    return lay(tmp_path / "root")


@pytest.fixture
async def disk() -> AsyncIterator[DiskThreads]:
    threads = DiskThreads()
    yield threads
    await threads.aclose()


Make = Callable[..., MediaStore]


@pytest.fixture
def make(ground: Ground, disk: DiskThreads) -> Make:
    """Give what makes a store on the ground, not open yet."""
    backend = load("app.storage.backends", ground.settings.backend, MediaStore)  # type: ignore[type-abstract]
    return lambda **others: backend(ground.with_settings(**others), disk)


@pytest.fixture
async def store(make: Make, ground: Ground) -> AsyncIterator[MediaStore]:
    store = make()
    await store.open()
    yield store
    assert store.usage().reserved_bytes == 0
    assert store.temp_files.statistics().count == 0
    await store.aclose()
    assert not any(name.startswith(("tmp/", ".uploads")) for name in ground.files())


async def put(store: MediaStore, data: bytes, media_type: MediaType = MP4, piece: int = 100_000) -> MediaItem:
    async with store.writer(len(data), "sha256") as writer:
        for at in range(0, len(data), piece):
            await writer.write(memoryview(data)[at : at + piece])
        return await writer.commit("a name.mp4", media_type, MediaDetails(width=640, height=480, rotation=90))


async def send(store: MediaStore, pieces: list[bytes], end: Exception | None = None) -> None:
    """Write pieces of undeclared length, raise `end` if there is one, and never commit."""
    async with store.writer(None, "sha256") as writer:
        for piece in pieces:
            await writer.write(piece)
        if end is not None:
            raise end


async def read(store: MediaStore, media_id: str, offset: int = 0, length: int | None = None) -> bytes:
    async with store.reader(media_id) as reader:
        length = reader.item.size_bytes - offset if length is None else length
        return b"".join([chunk async for chunk in reader.chunks(offset, length, 70_000)])


def metadata_of(item: MediaItem) -> str:
    return str(Path(item.path).with_suffix(".json"))


def test_the_back_ends_that_are_promised_are_found() -> None:
    assert {"local", "s3"} <= set(BACKENDS)


def test_its_name_is_that_of_its_module(ground: Ground) -> None:
    backend = load("app.storage.backends", ground.settings.backend, MediaStore)  # type: ignore[type-abstract]

    assert backend.name == ground.settings.backend


@pytest.mark.parametrize("name", BACKENDS)
def test_its_settings_begin_with_its_name(name: str) -> None:
    """All of them are in one section: this is what keeps one back end's apart from the other's."""
    settings_type = load("app.storage.backends", name, MediaStore).settings_type  # type: ignore[type-abstract]

    fields = settings_type.model_fields.keys() - StorageSettings.model_fields.keys()
    validators = settings_type.__pydantic_decorators__.model_validators

    assert all(field.startswith(f"{name}_") for field in fields)
    assert all(validator.startswith(f"_{name}_") for validator in validators)


@pytest.mark.parametrize("size", [1, BATCH_BYTES - 1, BATCH_BYTES, 3 * BATCH_BYTES + 17, 5 * MIB, LARGE_BYTES])
async def test_what_is_written_is_read_back(store: MediaStore, size: int) -> None:
    data = mp4(max(size, 24))[:size]

    item = await put(store, data)

    assert await read(store, item.id) == data
    assert await store.get(item.id) == item
    assert (item.size_bytes, item.sha256) == (size, hashlib.sha256(data).hexdigest())
    assert item.details == MediaDetails(width=640, height=480, rotation=90)
    assert (store.usage().stored_bytes, store.usage().items) == (size, 1)


async def test_what_is_found_out_later_is_told_from_then_on(store: MediaStore) -> None:
    data = mp4(1000)
    item = await put(store, data)
    found = MediaDetails(width=320, height=180, duration_seconds=2.5)

    described = await store.describe(item.id, found)

    assert described == await store.get(item.id)
    assert (described.id, described.sha256, described.details) == (item.id, item.sha256, found)
    assert (await store.page(10)).items == (described,)
    assert await read(store, item.id) == data
    with pytest.raises(NotFound):
        await store.describe(ids.new_id(MediaKind.VIDEO, item.created_at), found)


async def test_many_tiny_pieces_are_not_kept_back(store: MediaStore) -> None:
    async with store.writer(None, "none") as writer:
        for _ in range(3 * BATCH_CHUNKS):
            await writer.write(b"x")
        on_the_way = store.temp_files.statistics().total_bytes
        item = await writer.commit("x", MP4, MediaDetails())

    assert on_the_way >= 2 * BATCH_CHUNKS
    assert await read(store, item.id) == b"x" * 3 * BATCH_CHUNKS
    assert item.sha256 is None


async def test_a_part_can_be_read(store: MediaStore) -> None:
    data = mp4(300_000)
    item = await put(store, data)

    assert await read(store, item.id, 99_999, 150_001) == data[99_999:250_000]


async def test_pieces_are_about_as_large_as_asked(store: MediaStore) -> None:
    item = await put(store, mp4(3 * MIB))

    async with store.reader(item.id) as reader:
        sizes = [len(chunk) async for chunk in reader.chunks(0, 3 * MIB, 256 * 1024)]

    assert sum(sizes) == 3 * MIB
    assert max(sizes) <= MIB
    assert len(sizes) <= 13


async def test_a_reader_that_is_left_in_the_middle_leaves_nothing_open(store: MediaStore) -> None:
    item = await put(store, mp4(3 * MIB))

    async with store.reader(item.id) as reader:
        chunks = reader.chunks(0, 3 * MIB, 100_000)
        await anext(chunks)
        await chunks.aclose()  # type: ignore[attr-defined]  # a generator, as every back end's

    await store.delete(item.id)


async def test_a_tool_sees_the_bytes_before_the_commit(store: MediaStore) -> None:
    data = mp4(BATCH_BYTES + 5)

    async with store.writer(None, "none") as writer:
        await writer.write(data[:-5])
        first = (await writer.staged()).read_bytes()
        await writer.write(data[-5:])
        second = (await writer.staged()).read_bytes()
        item = await writer.commit("x", MP4, MediaDetails())

    assert (first, second) == (data[:-5], data)
    assert await read(store, item.id) == data


async def test_a_tool_gets_an_item_as_a_file(store: MediaStore) -> None:
    data = mp4(LARGE_BYTES)
    item = await put(store, data)

    async with store.local_file(item.id) as path:
        content = path.read_bytes()
        suffix = path.suffix
        with pytest.raises(Conflict):
            await store.delete(item.id)

    assert content == data
    assert suffix == ".mp4"
    await store.delete(item.id)


async def test_a_finished_file_is_adopted(store: MediaStore, ground: Ground) -> None:
    data = mp4(LARGE_BYTES)
    path = ground.settings.root / "whole"
    path.write_bytes(data)
    media_id = ids.new_id(MediaKind.VIDEO, datetime.now(UTC))
    digest = hashlib.sha256(data).hexdigest()

    item = await store.adopt(FinishedFile(path, len(data), digest, media_id, "b.mp4", MP4, MediaDetails(width=3)))
    path.unlink()

    assert (item.sha256, item.name, item.details) == (digest, "b.mp4", MediaDetails(width=3))
    assert await store.get(item.id) == item
    assert await read(store, item.id) == data
    assert store.usage().stored_bytes == len(data)


async def test_nothing_is_visible_before_the_commit(store: MediaStore) -> None:
    async with store.writer(None, "none") as writer:
        await writer.write(mp4(2 * BATCH_BYTES))
        during = (await store.page(10)).items

    assert during == ()


async def test_without_a_commit_nothing_is_left(store: MediaStore, ground: Ground) -> None:
    with pytest.raises(ConnectionError):
        await send(store, [mp4(2 * BATCH_BYTES)], ConnectionError("the client is gone"))

    assert ground.files() == []


async def test_a_cancelled_upload_leaves_nothing(store: MediaStore, ground: Ground) -> None:
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
    assert ground.files() == []


@pytest.mark.parametrize("delay_seconds", [0, 0.02, 0.1, 0.2])
async def test_a_commit_that_is_cancelled_is_whole_or_nothing(
    store: MediaStore, ground: Ground, delay_seconds: float
) -> None:
    data = mp4(LARGE_BYTES)
    task = asyncio.create_task(put(store, data, piece=MIB))
    await asyncio.sleep(delay_seconds)
    task.cancel()
    await asyncio.wait((task,))

    items = (await store.page(10)).items

    assert len(ground.files()) == 2 * len(items)
    assert store.usage().items == len(items)
    assert [await read(store, item.id) for item in items] == [data] * len(items)


async def test_more_than_the_quota_is_refused_while_counting(make: Make, ground: Ground) -> None:
    store = make(quota=2 * BATCH_BYTES)
    await store.open()

    with pytest.raises(StorageFull):
        await send(store, [bytes(BATCH_BYTES)] * 5)

    assert ground.files() == []
    assert store.usage().reserved_bytes == 0
    await store.aclose()


async def test_what_is_stored_counts_for_the_quota(make: Make) -> None:
    store = make(quota=3 * BATCH_BYTES)
    await store.open()
    item = await put(store, mp4(2 * BATCH_BYTES))

    with pytest.raises(StorageFull):
        await put(store, mp4(2 * BATCH_BYTES))
    await store.delete(item.id)
    await put(store, mp4(2 * BATCH_BYTES))

    await store.aclose()


async def test_a_client_that_sends_slowly_takes_no_more_than_its_share_of_the_room(make: Make) -> None:
    store = make(quota=20 * MIB, client_share=0.25)
    await store.open()
    async with store.writer(10 * MIB, "none", "slow"), store.writer(10 * MIB, "none", "slow"):
        promised_bytes = store.usage().reserved_bytes
        async with store.writer(12 * MIB, "none", "quick") as writer:
            await writer.write(bytes(12 * MIB))
            item = await writer.commit("a", PNG, MediaDetails())
    usage = store.usage()
    await store.delete(item.id)
    await store.aclose()

    assert promised_bytes <= 5 * MIB + 1
    assert (usage.items, usage.reserved_bytes) == (1, 0)


async def test_what_waits_in_spools_counts_for_the_quota_and_comes_back(make: Make, ground: Ground) -> None:
    store = make(quota=20 * MIB, client_share=0.25)
    await store.open()
    async with store.scratch.spool("batch", "me") as file:
        await file.count(5 * MIB)
        with pytest.raises(StorageFull):
            await file.count(1)
        with pytest.raises(StorageFull):
            async with store.writer(15 * MIB + 1, "none"):
                pytest.fail("it was taken")
    async with store.writer(20 * MIB, "none"):
        pass
    await store.aclose()

    assert store.usage().reserved_bytes == 0
    assert not any(name.startswith("tmp/") for name in ground.files())


@asynccontextmanager
async def resumable_on(store: MediaStore, root: Path, disk: DiskThreads) -> AsyncIterator[Resumable]:
    """Give resumable uploads on a store for one run of it."""
    budget = MemoryBudget(100 * MIB, working_set=lambda: 0)
    files, records, ages = (
        StageFiles(root / "staging", synced=False),
        StageRecords(budget),
        Ages(root / "state/ages.json"),
    )
    staging = Staging(files, disk, store.space, records, ages, "sha256")
    await store.open()
    await staging.open()
    yield build(staging, store, budget, UploadSettings())
    await staging.aclose()
    await store.aclose()
    budget.check_empty()


async def test_a_resumable_upload_goes_on_after_a_restart_and_becomes_an_item(
    make: Make, ground: Ground, disk: DiskThreads
) -> None:
    data, root = mp4(3 * MIB), ground.settings.root
    first, second = make(), make()

    async with resumable_on(first, root, disk) as resumable:
        upload_id = (await resumable.create(Creation(len(data), client="me"))).id
        promised_bytes = first.usage().reserved_bytes
        await resumable.append(upload_id, Piece(0, give(data[:MIB])))
    async with resumable_on(second, root, disk) as resumable:
        restored_bytes = second.usage().reserved_bytes
        upload = await resumable.append(upload_id, Piece(MIB, give(data[MIB:])))
        assert upload.media_id is not None
        kept = await read(second, upload.media_id)
        left_bytes = second.usage().reserved_bytes

    assert kept == data
    assert (promised_bytes, restored_bytes, left_bytes) == (0, MIB, 0)


async def test_pages_are_newest_first_and_complete(store: MediaStore) -> None:
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


async def test_pages_of_one_kind_hold_only_that_kind(store: MediaStore) -> None:
    items = [await put(store, mp4(100), media_type) for media_type in (MP4, PNG, WAV, PNG)]

    first = await store.page(1, kind=MediaKind.IMAGE)
    second = await store.page(1, first.next_cursor, MediaKind.IMAGE)

    assert (*first.items, *second.items) == (items[3], items[1])
    assert second.next_cursor is None


async def test_an_item_newer_than_the_cursor_does_not_shift_the_next_page(store: MediaStore) -> None:
    items = [await put(store, mp4(100)) for _ in range(4)]
    first = await store.page(2)
    await put(store, mp4(100))
    await store.delete(items[3].id)

    second = await store.page(2, first.next_cursor)

    assert second.items == (items[1], items[0])


async def test_a_page_begins_at_any_time(store: MediaStore) -> None:
    items = [await put(store, mp4(100), media_type) for media_type in (MP4, PNG, MP4)]

    page = await store.page(10, ids.cursor_at(items[1].created_at + timedelta(microseconds=1)))

    assert page.items == (items[1], items[0])


async def test_a_page_is_full_although_items_were_broken(store: MediaStore, ground: Ground) -> None:
    items = [await put(store, mp4(100)) for _ in range(5)]
    for item in items[2:4]:
        ground.write(metadata_of(item), b'{"id": 1}')

    page = await store.page(2)

    assert page.items == (items[4], items[1])
    assert page.next_cursor is not None
    assert (await store.page(2, page.next_cursor)).items == (items[0],)


async def test_a_foreign_cursor_is_refused(store: MediaStore) -> None:
    with pytest.raises(InvalidParameter):
        await store.page(2, "../../../etc")


@pytest.mark.parametrize("media_id", ["", "../../etc/passwd", "v0", "x" * 22, "v" + "0" * 20 + "/"])
async def test_a_foreign_id_is_not_found(store: MediaStore, media_id: str) -> None:
    with pytest.raises(NotFound):
        await store.get(media_id)
    with pytest.raises(NotFound):
        await store.delete(media_id)
    with pytest.raises(NotFound):
        async with store.reader(media_id):
            pass


async def test_a_deleted_item_is_gone(store: MediaStore, ground: Ground) -> None:
    item = await put(store, mp4(1000))

    await store.delete(item.id)

    assert ground.files() == []
    assert store.usage().stored_bytes == store.usage().items == 0
    with pytest.raises(NotFound):
        await store.get(item.id)
    with pytest.raises(NotFound):
        await store.delete(item.id)


async def test_what_is_read_or_pinned_is_not_deleted(store: MediaStore) -> None:
    item = await put(store, mp4(1000))

    async with store.reader(item.id):
        with pytest.raises(Conflict):
            await store.delete(item.id)
    with store.pin(item.id), pytest.raises(Conflict):
        await store.delete(item.id)

    await store.delete(item.id)


async def test_two_deletes_at_a_time_are_one_delete(store: MediaStore) -> None:
    item = await put(store, mp4(1000))

    results = await asyncio.gather(store.delete(item.id), store.delete(item.id), return_exceptions=True)

    assert sorted(type(result).__name__ for result in results) == ["NoneType", "NotFound"]


async def test_an_object_that_was_cut_is_not_given_as_whole(store: MediaStore, ground: Ground) -> None:
    item = await put(store, mp4(1000))
    ground.write(item.path, b"short")

    with pytest.raises(OSError, match="another size"):
        await read(store, item.id)

    await store.delete(item.id)  # the failed reader pins nothing


async def test_an_object_that_is_gone_is_an_error_of_reading(store: MediaStore, ground: Ground) -> None:
    item = await put(store, mp4(1000))
    ground.remove(item.path)

    with pytest.raises(OSError, match=r".+"):
        await read(store, item.id)


async def test_a_restart_keeps_and_counts_items(make: Make) -> None:
    store = make()
    await store.open()
    items = [await put(store, mp4(1000 + number), media_type) for number, media_type in enumerate((MP4, PNG, WAV))]
    await store.aclose()

    store = make()
    await store.open()

    assert (await store.page(10)).items == tuple(reversed(items))
    assert (store.usage().items, store.usage().stored_bytes) == (3, 3003)
    await store.aclose()


async def test_an_object_without_metadata_is_no_item(make: Make, ground: Ground) -> None:
    store = make()
    await store.open()
    kept, torn = [await put(store, mp4(1000)) for _ in range(2)]
    await store.aclose()
    ground.remove(metadata_of(torn))
    (ground.settings.root / "tmp" / "upload-0").write_bytes(b"partial")

    store = make()
    await store.open()

    assert (await store.page(10)).items == (kept,)
    assert (store.usage().items, store.usage().stored_bytes) == (1, 1000)
    assert list((ground.settings.root / "tmp").iterdir()) == []
    await store.aclose()


async def test_broken_metadata_is_no_item_and_no_crash(store: MediaStore, ground: Ground) -> None:
    item = await put(store, mp4(1000))
    ground.write(metadata_of(item), json.dumps({"id": 1}).encode())

    with pytest.raises(NotFound):
        await store.get(item.id)
    assert (await store.page(10)).items == ()
