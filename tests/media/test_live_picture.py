"""Frames of streams before the ledger: what they hold while they wait."""

from __future__ import annotations

import asyncio

import pytest

from app.domain.priority import Priority
from app.errors import Overloaded
from app.media.live_picture import LivePicture
from app.memory.customer import Customer
from tests.media.test_pictures import DECODE_BYTES, PICTURE, TOTAL_BYTES, House, waiting
from tests.media.test_pictures import house as house

PARTS = {"decode": DECODE_BYTES}


class Charge:
    """What the stream is charged with for the frame."""

    is_held = True

    def release(self) -> None:
        self.is_held = False


def live(house: House, charge: Charge | None, seconds: float = 10) -> LivePicture:
    return LivePicture(PICTURE, charge, house.pictures, Customer(Priority.LIVE, "me", seconds))


async def test_only_the_work_is_reserved(house: House) -> None:
    charge = Charge()
    picture = live(house, charge)

    async with picture.granted(PARTS, "vision:toes") as reservation:
        assert house.budget.reserved_bytes == DECODE_BYTES
        assert reservation.priority is Priority.LIVE
        assert picture.data == PICTURE

    assert house.budget.reserved_bytes == 0
    assert charge.is_held
    assert house.on_disk == []


async def test_one_that_is_covered_stays_where_it_is_while_it_waits(house: House) -> None:
    picture = live(house, None)
    async with house.held_by_others(TOTAL_BYTES):
        work = asyncio.create_task(_work_on(picture))
        await waiting(house.budget)
        waits, on_disk = picture.waits, house.on_disk

    assert await work == (PICTURE, DECODE_BYTES)
    assert (waits, on_disk) == (True, [])
    assert not picture.waits


async def test_one_that_is_charged_waits_on_the_disk_and_is_charged_no_more(house: House) -> None:
    charge = Charge()
    picture = live(house, charge)
    async with house.held_by_others(TOTAL_BYTES):
        work = asyncio.create_task(_work_on(picture))
        await waiting(house.budget)
        waits, on_disk, data, is_held = picture.waits, house.on_disk, picture.data, charge.is_held

    assert await work == (PICTURE, DECODE_BYTES + len(PICTURE))
    assert (waits, on_disk, data, is_held) == (True, [PICTURE], b"", False)
    assert not picture.waits
    await picture.aclose()


async def test_one_that_waited_for_a_model_comes_back_with_the_bytes_of_the_work(house: House) -> None:
    charge = Charge()
    picture = live(house, charge)
    await picture.put_aside()
    aside = (house.on_disk, picture.data, charge.is_held)

    worked = await _work_on(picture)

    assert aside == ([PICTURE], b"", False)
    assert worked == (PICTURE, DECODE_BYTES + len(PICTURE))
    await picture.aclose()


async def test_who_holds_more_is_told_before_the_waiting_begins(house: House) -> None:
    told: list[int] = []
    customer = Customer(Priority.LIVE, "me", 0.01)
    picture = LivePicture(
        PICTURE, None, house.pictures, customer, lambda: told.append(house.budget.statistics().waiting)
    )

    async with house.held_by_others(TOTAL_BYTES):
        with pytest.raises(Overloaded):
            await _work_on(picture)

    assert told == [0]


async def test_one_that_is_cancelled_while_it_waits_leaves_nothing(house: House) -> None:
    picture = live(house, Charge())
    async with house.held_by_others(TOTAL_BYTES):
        work = asyncio.create_task(_work_on(picture))
        await waiting(house.budget)

        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        await picture.aclose()

        assert house.budget.statistics().waiting == 0
        assert house.on_disk == []


async def _work_on(picture: LivePicture) -> tuple[bytes, int]:
    """Return what the picture was, and what was reserved, while it was worked on."""
    async with picture.granted(PARTS, "vision:toes") as reservation:
        return picture.data, reservation.reserved_bytes
