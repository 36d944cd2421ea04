"""Pictures in the API's memory: what is in the ledger for them, and how they wait on the disk."""

from __future__ import annotations

import asyncio
import errno
import os
import tracemalloc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, TypeVarTuple

import pytest

from app.domain.priority import Priority
from app.domain.units import KIB, MIB
from app.errors import MemoryExceedsLimit, Overloaded, PayloadTooLarge, StorageFull
from app.media.pictures import Pictures, ReceivedPicture
from app.memory.allowance import Allowance
from app.memory.budget import MemoryBudget
from app.storage.scratch import Scratch
from app.storage.space import DiskSpace
from app.storage.tempfiles import TempFiles
from app.storage.threads import DiskThreads
from tests.leaks import Leaks
from tests.workers.pools import until

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

TOTAL_BYTES = 1000 * KIB
MAX_BYTES = 200 * KIB
STEP_BYTES = 64 * KIB
"""What is reserved before the first byte is read, and by how much it grows."""
DECODE_BYTES = 300 * KIB
PICTURE = b"x" * 100 * KIB


class FullDisk(DiskThreads):
    """A disk that has no room for the bytes of a picture while `is_full`."""

    is_full = False

    async def run(self, function: Callable[[*Ts], T], *args: *Ts) -> T:
        if self.is_full and function.__name__ in ("write_bytes", "_append"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return await super().run(function, *args)


@dataclass
class House:
    budget: MemoryBudget
    temp_files: TempFiles
    space: DiskSpace
    scratch: Scratch
    disk: FullDisk
    pictures: Pictures
    unfinished: Allowance
    folder: Path

    @asynccontextmanager
    async def received(self, data: bytes) -> AsyncIterator[ReceivedPicture]:
        async with self.pictures.receive(chunks_of(data), MAX_BYTES, "me") as picture:
            yield picture

    @asynccontextmanager
    async def held_by_others(self, nbytes: int) -> AsyncIterator[None]:
        """Take bytes for the block, as another request would."""
        taken = self.budget.try_reserve({"decode": nbytes}, owner="other", priority=Priority.REQUEST)
        assert taken is not None
        try:
            yield
        finally:
            taken.release()

    @property
    def on_disk(self) -> list[bytes]:
        return [path.read_bytes() for path in self.folder.iterdir()]


async def chunks_of(data: bytes, size: int = 50 * KIB) -> AsyncIterator[bytes]:
    for at in range(0, len(data), size):
        yield data[at : at + size]


@pytest.fixture
async def house(tmp_path: Path, leaks: Leaks) -> AsyncIterator[House]:
    disk = FullDisk(threads=2)
    temp_files = TempFiles(tmp_path / "tmp", disk)
    await temp_files.open()
    budget = MemoryBudget(TOTAL_BYTES, working_set=lambda: 0)
    leaks.watch(budget)
    space = DiskSpace(plenty, quota_bytes=100 * MIB, floor_bytes=0, client_share=0.25)
    scratch = Scratch(temp_files, space)
    unfinished = Allowance(lambda: 2 * TOTAL_BYTES)
    pictures = Pictures(budget, unfinished, scratch, disk, Priority.REQUEST, 10)
    yield House(budget, temp_files, space, scratch, disk, pictures, unfinished, tmp_path / "tmp")
    assert budget.reserved_bytes == 0
    assert unfinished.take("me", TOTAL_BYTES), "what was counted is not given back"
    assert temp_files.statistics().count == 0
    assert space.usage().reserved_bytes == 0
    await disk.aclose()


async def plenty() -> int:
    return 10**12


async def waiting(budget: MemoryBudget) -> None:
    """Wait until somebody waits for bytes."""
    await until(lambda: budget.statistics().waiting > 0)


async def test_a_picture_is_received_whole_and_holds_its_own_bytes(house: House) -> None:
    async with house.received(PICTURE) as picture:
        assert picture.data == PICTURE
        assert house.budget.reserved_bytes == len(PICTURE)

    assert house.budget.reserved_bytes == 0


async def test_what_is_reserved_goes_ahead_of_what_has_come_and_by_little(house: House) -> None:
    reserved: list[int] = []

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(20):
            reserved.append(house.budget.reserved_bytes)
            yield b"x" * 10 * KIB

    async with house.pictures.receive(chunks(), MAX_BYTES, "me"):
        pass

    come = [number * 10 * KIB for number in range(20)]
    assert reserved[0] == STEP_BYTES
    assert all(has <= held < has + 2 * STEP_BYTES for has, held in zip(come, reserved, strict=True))


async def test_more_than_the_cap_is_refused(house: House) -> None:
    async with house.received(b"x" * MAX_BYTES):
        pass
    with pytest.raises(PayloadTooLarge) as refused:
        async with house.received(b"x" * (MAX_BYTES + 1)):
            pytest.fail("it was taken")

    assert refused.value.extra["maxBytes"] == MAX_BYTES


async def test_a_picture_for_which_room_runs_out_while_it_comes_goes_to_the_disk_and_comes_back(house: House) -> None:
    async def take() -> tuple[bytes, int]:
        async with house.received(PICTURE) as picture:
            return picture.data, house.budget.reserved_bytes

    async with house.held_by_others(TOTAL_BYTES - STEP_BYTES):
        taking = asyncio.create_task(take())
        await waiting(house.budget)

        assert house.budget.reserved_bytes == TOTAL_BYTES - STEP_BYTES  # who waits holds nothing
        assert house.on_disk == [PICTURE]
        assert house.temp_files.statistics().by_source["picture"].total_bytes == len(PICTURE)
    data, reserved_bytes = await taking

    assert data == PICTURE
    assert reserved_bytes == len(PICTURE)
    assert house.on_disk == []


async def test_a_picture_that_comes_while_its_client_has_much_that_is_not_whole_goes_to_the_disk(house: House) -> None:
    assert house.unfinished.take("me", TOTAL_BYTES - STEP_BYTES)

    async with house.received(PICTURE) as whole:
        in_memory = whole.data
    async with house.received(PICTURE + PICTURE[:STEP_BYTES]) as other:
        from_disk = other.data
        house.unfinished.give("me", TOTAL_BYTES - STEP_BYTES)

    assert in_memory == PICTURE
    assert from_disk == PICTURE + PICTURE[:STEP_BYTES]


async def test_the_cap_holds_on_the_disk_too(house: House) -> None:
    async with house.held_by_others(TOTAL_BYTES - STEP_BYTES):
        with pytest.raises(PayloadTooLarge) as refused:
            async with house.received(b"x" * (MAX_BYTES + 1)):
                pytest.fail("it was taken")

        assert refused.value.extra["maxBytes"] == MAX_BYTES
        assert house.budget.reserved_bytes == TOTAL_BYTES - STEP_BYTES
    assert house.on_disk == []


async def test_a_picture_for_which_there_is_neither_room_nor_disk_is_refused(house: House) -> None:
    house.disk.is_full = True
    async with house.held_by_others(TOTAL_BYTES - STEP_BYTES):
        with pytest.raises(StorageFull):
            async with house.received(PICTURE):
                pytest.fail("it was taken")


async def test_pictures_that_wait_keep_to_the_share_of_their_client_of_the_disk(house: House) -> None:
    async with house.scratch.spool("batch", "me") as lines:
        await lines.count(25 * MIB)
        async with house.held_by_others(TOTAL_BYTES - STEP_BYTES):
            with pytest.raises(StorageFull):
                async with house.received(PICTURE):
                    pytest.fail("it was taken")


async def test_a_picture_that_waits_on_the_disk_is_not_in_memory_too(house: House) -> None:
    large = MemoryBudget(20 * MIB, working_set=lambda: 0)
    pictures = Pictures(large, house.unfinished, house.scratch, house.disk, Priority.REQUEST, 10)
    others = large.try_reserve({"x": 16 * MIB}, owner="other", priority=Priority.REQUEST)
    assert others is not None

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(8 * MIB // (64 * KIB)):
            yield bytes(64 * KIB)

    async def take() -> int:
        async with pictures.receive(chunks(), 10 * MIB, "me") as picture:
            return len(picture.data)

    tracemalloc.start()
    taking = asyncio.create_task(take())
    await waiting(large)
    held_bytes, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    others.release()

    assert await taking == 8 * MIB
    assert held_bytes < MIB


async def test_what_reading_raises_passes_through(house: House) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"x"
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        async with house.pictures.receive(chunks(), MAX_BYTES, "me"):
            pytest.fail("it was taken")


async def test_where_there_is_room_the_work_is_added_to_the_same_entry(house: House) -> None:
    async with (
        house.received(PICTURE) as picture,
        picture.granted({"decode": DECODE_BYTES}, "vision:toes") as reservation,
    ):
        assert dict(reservation.parts) == {"picture": len(PICTURE), "decode": DECODE_BYTES}
        assert house.budget.reserved_bytes == len(PICTURE) + DECODE_BYTES
        assert house.on_disk == []
        assert picture.data == PICTURE


async def test_where_there_is_none_the_picture_waits_on_the_disk_and_comes_back(house: House) -> None:
    async def work() -> tuple[bytes, dict[str, int], str]:
        async with (
            house.received(PICTURE) as picture,
            picture.granted({"decode": DECODE_BYTES}, "vision:toes") as granted,
        ):
            return picture.data, dict(granted.parts), granted.owner

    async with house.held_by_others(750 * KIB):
        working = asyncio.create_task(work())
        await waiting(house.budget)

        assert house.budget.reserved_bytes == 750 * KIB  # who waits holds nothing
        assert house.on_disk == [PICTURE]
        assert house.temp_files.statistics().by_source["picture"].total_bytes == len(PICTURE)
    data, parts, owner = await working

    assert data == PICTURE
    assert parts == {"picture": len(PICTURE), "decode": DECODE_BYTES}
    assert owner == "vision:toes"
    assert house.on_disk == []


async def test_a_picture_that_was_put_aside_holds_nothing_until_it_is_granted_all(house: House) -> None:
    async with house.received(PICTURE) as picture:
        await picture.put_aside()
        await picture.put_aside()  # once is enough
        assert (picture.data, house.budget.reserved_bytes, house.on_disk) == (b"", 0, [PICTURE])

        async with picture.granted({"decode": DECODE_BYTES}, "vision:toes") as reservation:
            assert picture.data == PICTURE
            assert reservation.reserved_bytes == house.budget.reserved_bytes == len(PICTURE) + DECODE_BYTES

        assert house.budget.reserved_bytes == 0


async def test_a_picture_that_came_back_is_not_kept_without_a_reservation(house: House) -> None:
    async with house.received(PICTURE) as picture:
        await picture.put_aside()
        async with picture.granted({"decode": DECODE_BYTES}, "vision:toes"):
            pass

        assert len(picture.data) <= house.budget.reserved_bytes


async def test_a_full_disk_is_told(house: House) -> None:
    async with house.received(PICTURE) as picture:
        house.disk.is_full = True
        with pytest.raises(StorageFull) as full:
            await picture.put_aside()

        assert "neededBytes" in full.value.extra
        assert house.on_disk == []


async def test_work_that_has_no_room_and_no_disk_is_refused(house: House) -> None:
    house.disk.is_full = True
    async with house.held_by_others(750 * KIB):
        with pytest.raises(StorageFull):
            async with house.received(PICTURE) as picture, picture.granted({"decode": DECODE_BYTES}, "vision:toes"):
                pytest.fail("it was granted")

        assert house.budget.reserved_bytes == 750 * KIB


async def test_other_trouble_with_the_disk_is_not_taken_for_a_full_one(house: House) -> None:
    async with house.received(b"x") as picture:
        house.folder.rmdir()
        with pytest.raises(FileNotFoundError):
            await picture.put_aside()
    house.folder.mkdir()


async def test_work_that_could_never_fit_is_refused_and_leaves_nothing_on_the_disk(house: House) -> None:
    with pytest.raises(MemoryExceedsLimit):
        async with house.received(PICTURE) as picture, picture.granted({"decode": TOTAL_BYTES}, "vision:toes"):
            pytest.fail("it was granted")

    assert house.on_disk == []


async def test_a_picture_whose_wait_ends_in_vain_leaves_nothing(house: House) -> None:
    impatient = Pictures(house.budget, house.unfinished, house.scratch, house.disk, Priority.REQUEST, wait_seconds=0.01)
    async with house.held_by_others(750 * KIB):
        with pytest.raises(Overloaded):
            async with (
                impatient.receive(chunks_of(PICTURE), MAX_BYTES, "me") as picture,
                picture.granted({"decode": DECODE_BYTES}, "vision:toes"),
            ):
                pytest.fail("it was granted")

    assert house.on_disk == []


async def test_a_client_that_goes_while_its_picture_waits_leaves_nothing(house: House) -> None:
    async def work() -> None:
        async with house.received(PICTURE) as picture, picture.granted({"decode": DECODE_BYTES}, "vision:toes"):
            pytest.fail("it was granted")

    async with house.held_by_others(750 * KIB):
        working = asyncio.create_task(work())
        await waiting(house.budget)
        working.cancel()
        with pytest.raises(asyncio.CancelledError):
            await working

        assert house.on_disk == []
        assert house.budget.statistics().waiting == 0


async def test_many_pictures_that_need_more_than_there_is_all_get_their_turn(house: House) -> None:
    most: list[int] = []

    async def work(number: int) -> int:
        data = bytes([number]) * 150 * KIB
        async with house.received(data) as picture, picture.granted({"decode": 600 * KIB}, "vision:toes"):
            most.append(house.budget.reserved_bytes)
            await asyncio.sleep(0)
            assert picture.data == data
            return number

    async with asyncio.timeout(10):
        answers = await asyncio.gather(*(work(number) for number in range(30)))

    assert answers == list(range(30))
    assert max(most) <= TOTAL_BYTES
