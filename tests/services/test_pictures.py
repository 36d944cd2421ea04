"""Pictures in the API's memory: what is in the ledger for them, and how they wait on the disk."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

from app.domain.priority import Priority
from app.errors import MemoryExceedsLimit, Overloaded, PayloadTooLarge, StorageFull
from app.memory.budget import MemoryBudget
from app.services.pictures import LivePicture, Pictures, ReceivedPicture
from app.storage.tempfiles import TempFiles
from app.storage.threads import DiskThreads
from tests.leaks import Leaks
from tests.workers.pools import until

T = TypeVar("T")

TOTAL_BYTES = 1000
MAX_BYTES = 200


class FullDisk(DiskThreads):
    """A disk that has no room for the bytes of a picture while `is_full`."""

    is_full = False

    async def run(self, function: Callable[..., T], *args: Any) -> T:
        if self.is_full and function.__name__ == "write_bytes":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return await super().run(function, *args)


@dataclass
class House:
    budget: MemoryBudget
    temp_files: TempFiles
    disk: FullDisk
    pictures: Pictures
    folder: Path

    @asynccontextmanager
    async def received(self, data: bytes, declared_bytes: int | None = None) -> AsyncIterator[ReceivedPicture]:
        async with self.pictures.receive(chunks_of(data), declared_bytes, MAX_BYTES, "me") as picture:
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


async def chunks_of(data: bytes, size: int = 50) -> AsyncIterator[bytes]:
    for at in range(0, len(data), size):
        yield data[at : at + size]


@pytest.fixture
async def house(tmp_path: Path, leaks: Leaks) -> AsyncIterator[House]:
    disk = FullDisk(width=2)
    temp_files = TempFiles(tmp_path / "tmp", disk)
    await temp_files.open()
    budget = MemoryBudget(TOTAL_BYTES, working_set=lambda: 0, wait_seconds=10)
    leaks.watch(budget)
    yield House(budget, temp_files, disk, Pictures(budget, temp_files, disk, Priority.REQUEST), tmp_path / "tmp")
    assert budget.reserved_bytes == 0
    assert temp_files.statistics().count == 0
    await disk.aclose()


async def waiting(budget: MemoryBudget) -> None:
    """Wait until somebody waits for bytes."""
    await until(lambda: budget.statistics().waiting > 0)


async def test_a_picture_is_received_whole_and_holds_its_own_bytes(house: House) -> None:
    async with house.received(b"x" * 120) as picture:
        assert picture.data == b"x" * 120
        assert house.budget.reserved_bytes == 120

    assert house.budget.reserved_bytes == 0


async def test_the_bytes_are_reserved_before_the_first_one_is_read(house: House) -> None:
    reserved: list[int] = []

    async def chunks() -> AsyncIterator[bytes]:
        reserved.append(house.budget.reserved_bytes)
        yield b"x"

    async with house.pictures.receive(chunks(), None, MAX_BYTES, "me"):
        pass
    async with house.pictures.receive(chunks(), 30, MAX_BYTES, "me"):
        pass
    async with house.pictures.receive(chunks(), 10**9, MAX_BYTES, "me"):
        pass

    assert reserved == [MAX_BYTES, 30, MAX_BYTES]


async def test_more_than_was_announced_is_taken_up_to_the_cap_and_then_refused(house: House) -> None:
    with pytest.raises(PayloadTooLarge) as refused:
        async with house.received(b"x" * (MAX_BYTES + 1)):
            pytest.fail("it was taken")

    assert refused.value.extra == {"maxBytes": MAX_BYTES}


async def test_what_reading_raises_passes_through(house: House) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"x"
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        async with house.pictures.receive(chunks(), None, MAX_BYTES, "me"):
            pytest.fail("it was taken")


async def test_where_there_is_room_the_work_is_added_to_the_same_entry(house: House) -> None:
    async with house.received(b"x" * 100) as picture, picture.granted({"decode": 300}, "vision:toes") as reservation:
        assert dict(reservation.parts) == {"picture": 100, "decode": 300}
        assert house.budget.reserved_bytes == 400
        assert house.on_disk == []
        assert picture.data == b"x" * 100


async def test_where_there_is_none_the_picture_waits_on_the_disk_and_comes_back(house: House) -> None:
    async def work() -> tuple[bytes, dict[str, int], str]:
        async with house.received(b"x" * 100) as picture, picture.granted({"decode": 300}, "vision:toes") as granted:
            return picture.data, dict(granted.parts), granted.owner

    async with house.held_by_others(750):
        working = asyncio.create_task(work())
        await waiting(house.budget)

        assert house.budget.reserved_bytes == 750  # who waits holds nothing
        assert house.on_disk == [b"x" * 100]
        assert house.temp_files.statistics().by_source["picture"].total_bytes == 100
    data, parts, owner = await working

    assert data == b"x" * 100
    assert parts == {"picture": 100, "decode": 300}
    assert owner == "vision:toes"
    assert house.on_disk == []


async def test_a_picture_that_was_put_aside_holds_nothing_until_it_is_granted_all(house: House) -> None:
    async with house.received(b"x" * 100) as picture:
        await picture.put_aside()
        await picture.put_aside()  # once is enough
        assert (picture.data, house.budget.reserved_bytes, house.on_disk) == (b"", 0, [b"x" * 100])

        async with picture.granted({"decode": 300}, "vision:toes") as reservation:
            assert picture.data == b"x" * 100
            assert reservation.reserved_bytes == house.budget.reserved_bytes == 400

        assert house.budget.reserved_bytes == 0


async def test_a_picture_that_came_back_is_not_kept_without_a_reservation(house: House) -> None:
    async with house.received(b"x" * 100) as picture:
        await picture.put_aside()
        async with picture.granted({"decode": 300}, "vision:toes"):
            pass

        assert len(picture.data) <= house.budget.reserved_bytes


async def test_a_full_disk_is_told_and_the_picture_goes_on_holding_its_bytes(house: House) -> None:
    house.disk.is_full = True
    async with house.received(b"x" * 100) as picture:
        with pytest.raises(StorageFull) as full:
            await picture.put_aside()

        assert full.value.extra == {"neededBytes": 100}
        assert picture.data == b"x" * 100
        assert house.budget.reserved_bytes == 100
        assert house.on_disk == []


async def test_work_that_has_no_room_and_no_disk_is_refused(house: House) -> None:
    house.disk.is_full = True
    async with house.held_by_others(750):
        with pytest.raises(StorageFull):
            async with house.received(b"x" * 100) as picture, picture.granted({"decode": 300}, "vision:toes"):
                pytest.fail("it was granted")

        assert house.budget.reserved_bytes == 750


async def test_other_trouble_with_the_disk_is_not_taken_for_a_full_one(house: House) -> None:
    async with house.received(b"x") as picture:
        house.folder.rmdir()
        with pytest.raises(FileNotFoundError):
            await picture.put_aside()
    house.folder.mkdir()


async def test_work_that_could_never_fit_is_refused_and_leaves_nothing_on_the_disk(house: House) -> None:
    with pytest.raises(MemoryExceedsLimit):
        async with house.received(b"x" * 100) as picture, picture.granted({"decode": TOTAL_BYTES}, "vision:toes"):
            pytest.fail("it was granted")

    assert house.on_disk == []


async def test_a_picture_whose_wait_ends_in_vain_leaves_nothing(house: House) -> None:
    impatient = Pictures(house.budget, house.temp_files, house.disk, Priority.REQUEST, wait_seconds=0.01)
    async with house.held_by_others(750):
        with pytest.raises(Overloaded):
            async with (
                impatient.receive(chunks_of(b"x" * 100), None, MAX_BYTES, "me") as picture,
                picture.granted({"decode": 300}, "vision:toes"),
            ):
                pytest.fail("it was granted")

    assert house.on_disk == []


async def test_a_client_that_goes_while_its_picture_waits_leaves_nothing(house: House) -> None:
    async def work() -> None:
        async with house.received(b"x" * 100) as picture, picture.granted({"decode": 300}, "vision:toes"):
            pytest.fail("it was granted")

    async with house.held_by_others(750):
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
        data = bytes([number]) * 150
        async with house.received(data) as picture, picture.granted({"decode": 600}, "vision:toes"):
            most.append(house.budget.reserved_bytes)
            await asyncio.sleep(0)
            assert picture.data == data
            return number

    async with asyncio.timeout(10):
        answers = await asyncio.gather(*(work(number) for number in range(30)))

    assert answers == list(range(30))
    assert max(most) <= TOTAL_BYTES


async def test_a_live_picture_reserves_only_the_work_and_is_never_put_aside(house: House) -> None:
    picture = LivePicture(b"x" * 100, house.budget, Priority.LIVE, "me")
    await picture.put_aside()

    async with picture.granted({"decode": 300}, "vision:toes") as reservation:
        assert house.budget.reserved_bytes == 300
        assert reservation.priority is Priority.LIVE

    assert picture.data == b"x" * 100
    assert house.on_disk == []
