from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.domain.media import MediaItem
from app.errors import (
    BadRequest,
    ChecksumMismatch,
    Conflict,
    Forbidden,
    Locked,
    NotFound,
    PayloadTooLarge,
    QueueFull,
    StorageFull,
    UnsupportedMedia,
)
from app.media.assembly import Checksum
from app.media.resumable import Creation, Piece
from app.storage.backends.local import LocalStore
from app.storage.writer import FinishedFile
from tests.media.resumables import House, files_below, give, opened
from tests.samples import mp4, png

DATA = mp4(1_500_000)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with opened(tmp_path) as house:
        yield house


async def begin(house: House, data: bytes = DATA, *, partial: bool = False) -> str:
    return (await house.resumable.create(Creation(len(data), "trip.mp4", partial=partial))).id


async def send(house: House, upload_id: str, offset: int, *pieces: bytes) -> int:
    return (await house.resumable.append(upload_id, Piece(offset, give(*pieces)))).offset


async def item_of(house: House, upload_id: str) -> MediaItem:
    media_id = (await house.resumable.look(upload_id)).media_id
    assert media_id is not None
    return await house.store.get(media_id)


def content(house: House, item: MediaItem) -> bytes:
    path = house.store.local_path(item)
    assert path is not None
    return path.read_bytes()


async def test_pieces_become_an_item(house: House, tmp_path: Path) -> None:
    upload_id = await begin(house)

    await send(house, upload_id, 0, DATA[:700_000])
    await send(house, upload_id, 700_000, DATA[700_000:])

    item = await item_of(house, upload_id)
    assert (item.name, item.sha256) == ("trip.mp4", hashlib.sha256(DATA).hexdigest())
    assert content(house, item) == DATA
    assert list(files_below(tmp_path / "staging")) == [f"{upload_id}.json"]
    usage = house.store.usage()
    assert (usage.items, usage.stored_bytes, usage.reserved_bytes) == (1, len(DATA), 0)


async def test_what_came_before_a_broken_connection_is_kept(house: House) -> None:
    upload_id = await begin(house)

    with pytest.raises(ConnectionError):
        await house.resumable.append(upload_id, Piece(0, give(DATA[:900_000], end=ConnectionError())))
    kept = (await house.resumable.look(upload_id)).offset
    await send(house, upload_id, kept, DATA[kept:])

    assert kept == 900_000
    assert content(house, await item_of(house, upload_id)) == DATA


async def test_an_upload_goes_on_after_a_restart_and_its_digest_is_read_back(tmp_path: Path) -> None:
    async with opened(tmp_path) as house:
        upload_id = await begin(house)
        await send(house, upload_id, 0, DATA[:600_000])

    async with opened(tmp_path) as house:
        before = await house.resumable.look(upload_id)
        reserved = house.store.usage().reserved_bytes
        await send(house, upload_id, 600_000, DATA[600_000:])
        item = await item_of(house, upload_id)

    assert (before.offset, before.length, reserved) == (600_000, len(DATA), len(DATA))
    assert item.sha256 == hashlib.sha256(DATA).hexdigest()


async def test_a_finished_upload_is_known_after_a_restart(tmp_path: Path) -> None:
    async with opened(tmp_path) as house:
        upload_id = await begin(house)
        await send(house, upload_id, 0, DATA)
        item = await item_of(house, upload_id)

    async with opened(tmp_path) as house:
        assert await item_of(house, upload_id) == item
        assert (await house.resumable.look(upload_id)).offset == len(DATA)


class DyingStore(LocalStore):
    """Is killed in the middle of adopting a file."""

    async def adopt(self, file: FinishedFile) -> MediaItem:
        raise ConnectionAbortedError(file.media_id)


class LateDyingStore(LocalStore):
    """Is killed when it has adopted a file, before it can say so."""

    async def adopt(self, file: FinishedFile) -> MediaItem:
        await super().adopt(file)
        raise ConnectionAbortedError


@pytest.mark.parametrize("store_type", [DyingStore, LateDyingStore])
async def test_an_upload_that_was_killed_at_its_end_becomes_one_item(
    tmp_path: Path, store_type: type[LocalStore]
) -> None:
    async with opened(tmp_path, store_type=store_type) as house:
        upload_id = await begin(house)
        with pytest.raises(ConnectionAbortedError):
            await send(house, upload_id, 0, DATA)

    async with opened(tmp_path) as house:
        await house.resumable.finish_left()
        item = await item_of(house, upload_id)
        everything = (await house.store.page(10)).items

    assert everything == (item,)
    assert item.sha256 == hashlib.sha256(DATA).hexdigest()
    assert sum(name.endswith(".part") for name in files_below(tmp_path)) == 0


async def test_a_piece_at_another_offset_is_a_conflict(house: House) -> None:
    upload_id = await begin(house)
    await send(house, upload_id, 0, DATA[:1000])

    with pytest.raises(Conflict):
        await send(house, upload_id, 999, DATA[999:])

    assert (await house.resumable.look(upload_id)).offset == 1000


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "md5"])
async def test_a_checksum_is_compared_and_nothing_is_kept_if_it_differs(house: House, algorithm: str) -> None:
    upload_id = await begin(house)
    await send(house, upload_id, 0, DATA[:5000])
    wrong = Checksum(algorithm, hashlib.new(algorithm, b"other").digest())
    right = Checksum(algorithm, hashlib.new(algorithm, DATA[5000:]).digest())

    with pytest.raises(ChecksumMismatch):
        await house.resumable.append(upload_id, Piece(5000, give(DATA[5000:]), checksum=wrong))
    kept = (await house.resumable.look(upload_id)).offset
    await house.resumable.append(upload_id, Piece(5000, give(DATA[5000:]), checksum=right))

    assert kept == 5000
    assert (await item_of(house, upload_id)).sha256 == hashlib.sha256(DATA).hexdigest()


async def test_bytes_whose_checksum_was_not_seen_are_not_believed_after_a_kill(tmp_path: Path) -> None:
    async with opened(tmp_path) as house:
        upload_id = await begin(house)
        await send(house, upload_id, 0, DATA[:5000])
        stage = house.staging.find(upload_id)
        stage.state.held_bytes = 5000
        await house.staging.save(stage)
        with house.staging.path(stage).open("ab") as file:
            file.write(b"not checked")

    async with opened(tmp_path) as house:
        assert (await house.resumable.look(upload_id)).offset == 5000


async def test_a_length_that_comes_later_is_reserved_then(house: House) -> None:
    upload_id = (await house.resumable.create(Creation(None))).id
    await send(house, upload_id, 0, DATA[:5000])

    await house.resumable.append(upload_id, Piece(5000, give(DATA[5000:]), length=len(DATA)))

    assert content(house, await item_of(house, upload_id)) == DATA
    assert house.store.usage().reserved_bytes == 0


async def test_another_length_than_before_is_refused(house: House) -> None:
    upload_id = await begin(house)

    with pytest.raises(BadRequest):
        await house.resumable.append(upload_id, Piece(0, give(DATA), length=len(DATA) + 1))


async def test_more_bytes_than_were_announced_are_refused(house: House) -> None:
    upload_id = await begin(house, DATA[:10_000])

    with pytest.raises(PayloadTooLarge):
        await house.resumable.append(upload_id, Piece(0, give(DATA), declared_bytes=len(DATA)))
    with pytest.raises(PayloadTooLarge):
        await send(house, upload_id, 0, DATA[:9000], DATA[9000:20_000])

    assert (await house.resumable.look(upload_id)).offset == 9000


async def test_what_is_no_media_is_refused_with_its_first_bytes_and_gone(house: House, tmp_path: Path) -> None:
    upload_id = await begin(house)
    asked = 0

    async def text() -> AsyncIterator[bytes]:
        nonlocal asked
        for _ in range(100):
            asked += 1
            yield b"just text " * 500

    with pytest.raises(UnsupportedMedia):
        await house.resumable.append(upload_id, Piece(0, text()))

    assert asked == 1
    assert list(files_below(tmp_path / "staging")) == []
    assert house.store.usage().reserved_bytes == 0
    with pytest.raises(NotFound):
        await house.resumable.look(upload_id)


async def test_tiny_pieces_are_recognised_together(house: House) -> None:
    data = png()
    upload_id = await begin(house, data)

    for offset in range(len(data)):
        await send(house, upload_id, offset, data[offset : offset + 1])

    assert (await item_of(house, upload_id)).content_type == "image/png"


@pytest.mark.parametrize(("length", "error"), [(0, UnsupportedMedia), (10_000_001, PayloadTooLarge)])
async def test_an_impossible_length_is_refused_at_creation(house: House, length: int, error: type[Exception]) -> None:
    with pytest.raises(error):
        await house.resumable.create(Creation(length))


async def test_space_is_promised_at_creation(tmp_path: Path) -> None:
    async with opened(tmp_path, storage={"quota": 2_000_000}) as house:
        first = await begin(house)
        with pytest.raises(StorageFull):
            await begin(house)
        await house.resumable.terminate(first)
        await begin(house)


async def test_too_many_unfinished_uploads_are_refused(tmp_path: Path) -> None:
    async with opened(tmp_path, upload={"max_resumable": 1}) as house:
        first = await begin(house)
        with pytest.raises(QueueFull):
            await begin(house)
        await send(house, first, 0, DATA)
        await begin(house)


async def test_parts_are_joined_in_order_and_can_be_joined_again(house: House) -> None:
    ids = [await begin(house, part, partial=True) for part in (DATA[:400_000], DATA[400_000:])]
    await send(house, ids[1], 0, DATA[400_000:])
    await send(house, ids[0], 0, DATA[:400_000])

    wholes = [await house.resumable.join(ids, Creation(None, "whole.mp4"), "/a /b", "me") for _ in range(2)]

    for whole in wholes:
        item = await item_of(house, whole.id)
        assert (content(house, item), item.name) == (DATA, "whole.mp4")
        assert item.sha256 == hashlib.sha256(DATA).hexdigest()
        assert whole.concat == "final;/a /b"
        with pytest.raises(Forbidden):
            await send(house, whole.id, len(DATA), b"more")
    assert (await house.resumable.look(ids[0])).media_id is None


async def test_only_finished_parts_are_joined(house: House) -> None:
    whole, part = await begin(house), await begin(house, partial=True)

    for upload_id in (whole, part):
        with pytest.raises(BadRequest):
            await house.resumable.join([upload_id], Creation(None), "/x", "me")


async def test_joined_bytes_that_are_no_media_leave_nothing(house: House, tmp_path: Path) -> None:
    part = await begin(house, b"text" * 5000, partial=True)
    await send(house, part, 0, b"text" * 5000)

    with pytest.raises(UnsupportedMedia):
        await house.resumable.join([part], Creation(None), "/x", "me")

    assert {name.partition(".")[0] for name in files_below(tmp_path / "staging")} == {part}


async def test_a_terminated_upload_is_gone_and_its_item_stays(house: House) -> None:
    upload_id = await begin(house)
    await send(house, upload_id, 0, DATA)
    item = await item_of(house, upload_id)

    await house.resumable.terminate(upload_id)

    with pytest.raises(NotFound):
        await house.resumable.look(upload_id)
    assert content(house, item) == DATA


async def test_a_stalled_request_gives_way_and_what_it_brought_is_kept(house: House) -> None:
    upload_id = await begin(house)
    stalled = asyncio.Event()

    async def stalling() -> AsyncIterator[bytes]:
        yield DATA[:300_000]
        stalled.set()
        await asyncio.Event().wait()

    first = asyncio.create_task(house.resumable.append(upload_id, Piece(0, stalling())))
    await stalled.wait()
    offset = (await house.resumable.look(upload_id)).offset
    await send(house, upload_id, offset, DATA[offset:])

    assert offset == 300_000
    with pytest.raises(Locked):
        await first
    assert content(house, await item_of(house, upload_id)) == DATA


async def test_a_request_that_gets_on_is_not_disturbed(tmp_path: Path) -> None:
    done = asyncio.Event()

    async def steady() -> AsyncIterator[bytes]:
        while not done.is_set():
            yield b""
            await asyncio.sleep(0.01)
        yield DATA

    async with opened(tmp_path, wait_seconds=0.3) as house:
        upload_id = await begin(house)
        first = asyncio.create_task(house.resumable.append(upload_id, Piece(0, steady())))
        await asyncio.sleep(0.05)
        with pytest.raises(Locked):
            await house.resumable.look(upload_id)
        done.set()

        assert (await first).offset == len(DATA)


async def test_what_nobody_goes_on_with_expires(house: House, tmp_path: Path) -> None:
    idle, finished = await begin(house), await begin(house)
    await send(house, finished, 0, DATA)
    item = await item_of(house, finished)

    await house.resumable.sweep(time.time() + house.resumable.limits.expire_seconds - 10)
    assert (await house.resumable.look(idle)).offset == 0
    await house.resumable.sweep(time.time() + house.resumable.limits.expire_seconds + 10)

    for upload_id in (idle, finished):
        with pytest.raises(NotFound):
            await house.resumable.look(upload_id)
    assert list(files_below(tmp_path / "staging")) == []
    assert content(house, item) == DATA


async def test_leftovers_without_a_state_are_removed_at_start(tmp_path: Path) -> None:
    staging = tmp_path / "staging"
    staging.mkdir()
    for name in ("a" * 32 + ".part", "b" * 32 + ".json", "c" * 32 + ".new"):
        (staging / name).write_text("{")

    async with opened(tmp_path):
        assert list(files_below(staging)) == []
