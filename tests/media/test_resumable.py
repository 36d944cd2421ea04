from __future__ import annotations

import asyncio
import errno
import hashlib
import json
import os
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from app.domain.media import MediaItem
from app.domain.priority import Priority
from app.domain.units import MIB
from app.errors import (
    BadRequest,
    ChecksumMismatch,
    Conflict,
    Forbidden,
    Locked,
    NotFound,
    Overloaded,
    PayloadTooLarge,
    QueueFull,
    StorageFull,
    UnsupportedMedia,
)
from app.media.assembly import Checksum
from app.media.pieces import Creation, Piece
from app.memory.budget import MemoryBudget
from app.storage.backends.local import LocalStore
from app.storage.blocks import allocate
from app.storage.stage import FINAL, StageState, encode
from app.storage.writer import FinishedFile
from tests.media.resumables import House, Machine, files_below, give, opened
from tests.samples import mp4, png

DATA = mp4(1_500_000)
PNG = png()


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

    assert (before.offset, before.length, reserved) == (600_000, len(DATA), 600_000)
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


async def left_whole(folder: Path) -> Path:
    """Leave an upload as a run does that is killed at its last byte: not synced, with blocks for more."""
    async with opened(folder, is_killed=True) as house:
        upload_id = await begin(house)
        await send(house, upload_id, 0, DATA[:1000])
    path = folder / "staging" / f"{upload_id}.part"
    with path.open("r+b") as file:
        file.seek(1000)
        file.write(DATA[1000:])
        file.flush()
        allocate(file.fileno(), len(DATA), 8 * MIB)
    assert path.stat().st_blocks * 512 > len(DATA) + MIB
    return path


async def test_what_a_killed_run_left_whole_is_synced_before_it_is_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = await left_whole(tmp_path)
    done: list[tuple[str, int]] = []
    sync, link = os.fdatasync, os.link

    def note_sync(fd: int) -> None:
        done.append(("sync", os.fstat(fd).st_ino))
        sync(fd)

    def note_link(source: Path, target: Path, *, follow_symlinks: bool) -> None:
        done.append(("link", 0))
        link(source, target, follow_symlinks=follow_symlinks)

    monkeypatch.setattr(os, "fdatasync", note_sync)
    monkeypatch.setattr(os, "link", note_link)

    async with opened(tmp_path, synced=True) as house:
        await house.resumable.finish_left()
        item = await item_of(house, path.stem)

    inode = (tmp_path / item.path).stat().st_ino
    assert done.index(("sync", inode)) < done.index(("link", 0))


async def test_what_a_killed_run_left_takes_no_more_room_than_its_bytes(tmp_path: Path) -> None:
    path = await left_whole(tmp_path)

    async with opened(tmp_path) as house:
        unfinished_bytes = path.stat().st_blocks * 512
        await house.resumable.finish_left()
        item = await item_of(house, path.stem)
        stored_bytes = (tmp_path / item.path).stat().st_blocks * 512

    assert max(unfinished_bytes, stored_bytes) < len(DATA) + 64 * 1024


async def test_bytes_that_the_disk_failed_to_sync_are_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path, synced=True) as house:
        upload_id = await begin(house)
        await send(house, upload_id, 0, DATA[:1000])
        with monkeypatch.context() as broken:
            broken.setattr(os, "fdatasync", _fail_to_sync)
            with pytest.raises(OSError, match="Input/output"):
                await send(house, upload_id, 1000, DATA[1000:])

        kept = (await house.resumable.look(upload_id)).offset
        await send(house, upload_id, kept, DATA[kept:])

        assert kept == 1000
        assert (await item_of(house, upload_id)).sha256 == hashlib.sha256(DATA).hexdigest()


def _fail_to_sync(_fd: int) -> None:
    raise OSError(errno.EIO, os.strerror(errno.EIO))


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


async def test_a_length_may_come_later(house: House) -> None:
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


async def test_what_would_not_fit_is_refused_at_creation_and_leaves_nothing(tmp_path: Path) -> None:
    async with opened(tmp_path, storage={"quota": 1_000_000}) as house:
        with pytest.raises(StorageFull):
            await begin(house)

        assert list(files_below(tmp_path / "staging")) == []
        assert list(house.staging) == []


async def test_creations_alone_take_no_room_from_others(tmp_path: Path) -> None:
    async with opened(tmp_path, storage={"quota": 2_000_000}) as house:
        for _ in range(20):
            await begin(house)
        reserved = house.store.usage().reserved_bytes
        last = await begin(house)
        await send(house, last, 0, DATA)

        assert reserved == 0
        assert content(house, await item_of(house, last)) == DATA


async def test_between_two_pieces_an_upload_takes_what_it_has(house: House) -> None:
    upload_id = await begin(house)

    await send(house, upload_id, 0, DATA[:700_000])

    assert house.store.usage().reserved_bytes == 700_000


async def test_who_has_too_little_room_for_the_rest_keeps_what_came(tmp_path: Path) -> None:
    async with opened(tmp_path, storage={"quota": 2_000_000}) as house:
        first, second = await begin(house), await begin(house)
        await send(house, first, 0, DATA[:1_000_000])
        with pytest.raises(StorageFull):
            await send(house, second, 0, DATA)
        await house.resumable.terminate(second)
        await send(house, first, 1_000_000, DATA[1_000_000:])

        assert content(house, await item_of(house, first)) == DATA


async def test_too_many_unfinished_uploads_are_refused(tmp_path: Path) -> None:
    async with opened(tmp_path, upload={"max_resumable": 1}) as house:
        first = await begin(house)
        with pytest.raises(QueueFull):
            await begin(house)
        await send(house, first, 0, DATA)
        await begin(house)


async def test_a_client_has_a_share_of_the_uploads_also_after_a_restart(tmp_path: Path) -> None:
    limits: dict[str, Any] = {"upload": {"max_resumable": 8}, "storage": {"client_share": 0.25}}
    mine, others = Creation(len(DATA), client="me"), Creation(len(DATA), client="other")
    async with opened(tmp_path, **limits) as house:
        outcomes = await asyncio.gather(*(house.resumable.create(mine) for _ in range(10)), return_exceptions=True)

    async with opened(tmp_path, **limits) as house:
        with pytest.raises(QueueFull):
            await house.resumable.create(mine)
        await house.resumable.create(others)

    assert sum(isinstance(outcome, QueueFull) for outcome in outcomes) == 8


async def test_finished_uploads_are_forgotten_by_the_client_that_has_most(house: House) -> None:
    async def finish(client: str) -> str:
        upload = await house.resumable.create(Creation(len(PNG), client=client), Piece(0, give(PNG)))
        return upload.id

    rare = await finish("rare")
    many = [await finish("many") for _ in range(12)]

    assert [stage.state.id for stage in house.staging] == [rare, *many[-7:]]


async def test_what_is_known_of_uploads_is_in_the_ledger_also_after_a_restart(tmp_path: Path) -> None:
    def held(house: House) -> int:
        return sum(holder.reserved_bytes for holder in house.budget.statistics().holders)

    async with opened(tmp_path) as house:
        before = held(house)
        ids = [(await house.resumable.create(Creation(10_000, "a.mp4", "x" * 4096))).id for _ in range(50)]
        after = held(house)

    async with opened(tmp_path) as house:
        restored = held(house)
        for upload_id in ids:
            await house.resumable.terminate(upload_id)
        left = held(house)

    assert (before, left) == (0, 0)
    assert restored == after >= 50 * 6000


async def test_an_upload_that_memory_has_no_room_for_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    async with opened(tmp_path, budget=MemoryBudget(1 << 20, working_set=lambda: 0)) as house:
        taken = house.budget.try_reserve({"x": (1 << 20) - 1000}, owner="other", priority=Priority.REQUEST)
        assert taken is not None
        with pytest.raises(Overloaded):
            await begin(house)
        taken.release()

        assert list(files_below(tmp_path / "staging")) == []
        await begin(house)


async def test_a_creation_that_is_cancelled_leaves_nothing(house: House, tmp_path: Path) -> None:
    for turns in range(8):
        creating = asyncio.create_task(house.resumable.create(Creation(len(DATA))))
        for _ in range(turns):
            await asyncio.sleep(0)
        creating.cancel()
        await asyncio.wait((creating,))
        if not creating.cancelled():
            await house.resumable.terminate(creating.result().id)

        assert list(files_below(tmp_path / "staging")) == []
        assert list(house.staging) == []


async def test_a_termination_that_is_cancelled_is_done_all_the_same(house: House, tmp_path: Path) -> None:
    for turns in range(4):
        upload_id = await begin(house)
        await send(house, upload_id, 0, DATA[:1000])
        ending = asyncio.create_task(house.resumable.terminate(upload_id))
        for _ in range(turns + 1):
            await asyncio.sleep(0)
        ending.cancel()
        await asyncio.wait((ending,))

        assert list(files_below(tmp_path / "staging")) == []
        assert house.store.usage().reserved_bytes == 0


@pytest.mark.parametrize("checksum", [None, Checksum("sha1", b"x" * 20)])
async def test_a_client_that_goes_in_any_moment_leaves_what_can_be_believed(
    house: House, checksum: Checksum | None
) -> None:
    for turns in range(0, 40, 2):
        upload_id = await begin(house)
        piece = Piece(0, give(DATA[:300_000], DATA[300_000:600_000]), checksum=checksum)
        sending = asyncio.create_task(house.resumable.append(upload_id, piece))
        for _ in range(turns):
            await asyncio.sleep(0)
        sending.cancel()
        await asyncio.sleep(0)
        sending.cancel()  # as a server that has lost its patience does
        await asyncio.wait((sending,))
        stage = house.staging.find(upload_id)

        assert stage.size_bytes == house.staging.path(stage).stat().st_size
        assert house.store.usage().reserved_bytes == stage.size_bytes
        assert checksum is None or stage.size_bytes == 0
        await send(house, upload_id, stage.size_bytes, DATA[stage.size_bytes :])
        item = await item_of(house, upload_id)
        assert item.sha256 == hashlib.sha256(DATA).hexdigest()
        await house.store.delete(item.id)


async def parts_of(house: House, *parts: bytes) -> list[str]:
    ids = [await begin(house, part, partial=True) for part in parts]
    for upload_id, part in zip(ids, parts, strict=True):
        await send(house, upload_id, 0, part)
    return ids


async def test_parts_are_joined_in_order_and_asking_again_gives_the_same(house: House) -> None:
    ids = await parts_of(house, DATA[:400_000], DATA[400_000:])

    whole, again = [await house.resumable.join(ids, Creation(None, "whole.mp4")) for _ in range(2)]

    item = await item_of(house, whole.id)
    assert again.id == whole.id
    assert house.store.usage().items == 1
    assert (content(house, item), item.name) == (DATA, "whole.mp4")
    assert item.sha256 == hashlib.sha256(DATA).hexdigest()
    assert (whole.concat, whole.part_ids) == ("final", tuple(ids))
    with pytest.raises(Forbidden):
        await send(house, whole.id, len(DATA), b"more")
    assert (await house.resumable.look(ids[0])).media_id is None


async def test_a_part_goes_into_one_upload_also_after_a_restart(tmp_path: Path) -> None:
    async with opened(tmp_path) as house:
        ids = await parts_of(house, DATA[:400_000], DATA[400_000:])
        whole = await house.resumable.join(ids, Creation(None))

    async with opened(tmp_path) as house:
        again = await house.resumable.join(ids, Creation(None))
        for others in ([ids[0]], ids[::-1]):
            with pytest.raises(Conflict):
                await house.resumable.join(others, Creation(None))

        assert (again.id, again.part_ids) == (whole.id, tuple(ids))
        assert house.store.usage().items == 1


async def test_the_header_that_an_earlier_version_kept_is_read_as_ids(tmp_path: Path) -> None:
    part, whole = "a" * 32, "b" * 32
    staging = tmp_path / "staging"
    staging.mkdir()
    urls = f"/v1/uploads/{part} " * 500 + f"http://x/v1/uploads/{'c' * 32}?y={part}"
    state = {"id": whole, "length": 5, "name": None, "metadata": "", "concat": f"final;{urls}", "media_id": "x"}
    (staging / f"{whole}.json").write_text(json.dumps(state))

    async with opened(tmp_path) as house:
        upload = await house.resumable.look(whole)

    assert (upload.concat, upload.part_ids) == ("final", (part, "c" * 32))


async def test_what_was_being_joined_when_the_run_was_killed_can_be_joined_again(tmp_path: Path) -> None:
    async with opened(tmp_path, store_type=DyingStore) as house:
        ids = await parts_of(house, DATA[:400_000], DATA[400_000:])
    state = StageState("d" * 32, len(DATA), None, "", FINAL, parts="".join(ids))
    (tmp_path / "staging" / f"{state.id}.json").write_bytes(encode(state))
    (tmp_path / "staging" / f"{state.id}.part").write_bytes(DATA[:1000])

    async with opened(tmp_path) as house:
        await house.resumable.finish_left()
        whole = await house.resumable.join(ids, Creation(None))

        assert content(house, await item_of(house, whole.id)) == DATA
        assert whole.id != state.id


async def test_only_finished_parts_are_joined(house: House) -> None:
    whole, part = await begin(house), await begin(house, partial=True)

    for upload_id in (whole, part):
        with pytest.raises(BadRequest):
            await house.resumable.join([upload_id], Creation(None))


async def test_joined_bytes_that_are_no_media_leave_nothing(house: House, tmp_path: Path) -> None:
    part = await begin(house, b"text" * 5000, partial=True)
    await send(house, part, 0, b"text" * 5000)

    with pytest.raises(UnsupportedMedia):
        await house.resumable.join([part], Creation(None))

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


EXPIRE, BEGIN = 86_400.0, 600.0


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


async def known(house: House, *upload_ids: str) -> list[bool]:
    """Sweep, and return which of these uploads are still there."""
    await house.resumable.sweep()
    there = {stage.state.id for stage in house.staging}
    return [upload_id in there for upload_id in upload_ids]


async def test_what_nobody_goes_on_with_expires(tmp_path: Path, machine: Machine) -> None:
    async with opened(tmp_path / "root", machine=machine) as house:
        idle, finished = await begin(house), await begin(house)
        await send(house, idle, 0, DATA[:1000])
        await send(house, finished, 0, DATA)
        item = await item_of(house, finished)

        machine.seconds += EXPIRE - 10
        before = await known(house, idle, finished)
        machine.seconds += 20
        after = await known(house, idle, finished)

        assert (before, after) == ([True, True], [False, False])
        assert list(files_below(tmp_path / "root" / "staging")) == []
        assert house.store.usage().reserved_bytes == 0
        assert content(house, item) == DATA


async def test_an_upload_of_which_nothing_comes_expires_soon_and_is_told_so(tmp_path: Path, machine: Machine) -> None:
    async with opened(tmp_path / "root", machine=machine) as house:
        empty, begun = await begin(house), await begin(house)
        await send(house, begun, 0, DATA[:1])
        promised = [(await house.resumable.look(one)).expires_at - datetime.now(UTC) for one in (empty, begun)]
        machine.seconds += BEGIN - 10
        await send(house, empty, 0)  # a piece without a byte is no progress
        before = await known(house, empty, begun)
        machine.seconds += 20
        after = await known(house, empty, begun)

    assert [round(lifetime.total_seconds(), -1) for lifetime in promised] == [BEGIN, EXPIRE]
    assert (before, after) == ([True, True], [False, True])


async def test_ages_go_on_over_restarts_of_the_service(tmp_path: Path, machine: Machine) -> None:
    async with opened(tmp_path / "root", machine=machine) as house:
        idle = await begin(house)
        await send(house, idle, 0, DATA[:1000])
        machine.seconds += EXPIRE / 2

    machine.seconds += EXPIRE / 4
    async with opened(tmp_path / "root", machine=machine, is_killed=True) as house:
        halfway = await known(house, idle)
        machine.seconds += 100

    async with opened(tmp_path / "root", machine=machine) as house:
        machine.seconds += EXPIRE / 4 - 200
        before = await known(house, idle)
        machine.seconds += 200
        after = await known(house, idle)

    assert (halfway, before, after) == ([True], [True], [False])


async def test_a_machine_that_boots_adds_nothing_and_forgets_nothing(tmp_path: Path, machine: Machine) -> None:
    async with opened(tmp_path / "root", machine=machine) as house:
        idle = await begin(house)
        await send(house, idle, 0, DATA[:1000])
        machine.seconds += EXPIRE / 2

    machine.boot("second")
    async with opened(tmp_path / "root", machine=machine) as house:
        machine.seconds += EXPIRE / 2 - 10
        before = await known(house, idle)
        machine.seconds += 20
        after = await known(house, idle)

    assert (before, after) == ([True], [False])


async def test_bytes_that_came_after_the_ages_were_kept_make_an_upload_young(tmp_path: Path, machine: Machine) -> None:
    async with opened(tmp_path / "root", machine=machine, is_killed=True) as house:
        begun = await begin(house)
        await send(house, begun, 0, DATA[:1000])
        machine.seconds += EXPIRE - 10
        await known(house, begun)
        await send(house, begun, 1000, DATA[1000:2000])

    async with opened(tmp_path / "root", machine=machine) as house:
        machine.seconds += 20

        assert await known(house, begun) == [True]


@pytest.mark.parametrize("years", [-60, 60])
async def test_the_time_of_day_makes_nothing_older_or_younger(tmp_path: Path, machine: Machine, years: int) -> None:
    async with opened(tmp_path / "root", machine=machine) as house:
        upload_id = await begin(house)
        await send(house, upload_id, 0, DATA[:1000])
    moment = time.time() + years * 31_557_600
    for path in (tmp_path / "root").rglob("*"):  # as if everything had been written with another clock
        os.utime(path, (moment, moment))

    async with opened(tmp_path / "root", machine=machine) as house:
        machine.seconds += EXPIRE - 10
        before = await known(house, upload_id)
        machine.seconds += 20
        after = await known(house, upload_id)

    assert (before, after) == ([True], [False])


async def test_leftovers_without_a_state_are_removed_at_start(tmp_path: Path) -> None:
    staging = tmp_path / "staging"
    staging.mkdir()
    for name in ("a" * 32 + ".part", "b" * 32 + ".json", "c" * 32 + ".new"):
        (staging / name).write_text("{")

    async with opened(tmp_path):
        assert list(files_below(staging)) == []
