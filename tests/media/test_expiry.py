from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.domain.media import MediaDetails, MediaItem, MediaKind, MediaPage
from app.domain.media_types import MP4
from app.errors import NotFound, StorageUnavailable
from app.imaging.formats.png import Png
from app.media.expiry import Expiry
from app.media.resumable import Resumable
from app.settings import StorageSettings
from app.storage.backends.local import LocalStore
from app.storage.threads import DiskThreads
from tests.media.resumables import House, opened
from tests.workers.pools import until

TTL_SECONDS = 100.0


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with opened(tmp_path) as house:
        yield house


def expiry(house: House, ttl_seconds: float = TTL_SECONDS) -> Expiry:
    return Expiry(house.store, house.resumable, ttl_seconds)


async def put(house: House, number: int = 0) -> MediaItem:
    async with house.store.writer(10, "none") as writer:
        await writer.write(b"0123456789")
        return await writer.commit("x", Png.media_type if number % 2 else MP4, MediaDetails())


def after(item: MediaItem, seconds: float) -> datetime:
    return item.created_at + timedelta(seconds=seconds)


async def test_an_item_goes_when_its_time_is_over_and_not_before(house: House) -> None:
    items = [await put(house, number) for number in range(5)]

    early = await expiry(house).sweep_items(after(items[0], TTL_SECONDS))
    some = await expiry(house).sweep_items(after(items[2], TTL_SECONDS))
    left = (await house.store.page(10)).items

    assert (early, some) == (0, 2)
    assert left == tuple(items[:1:-1])


async def test_all_that_is_due_goes_however_many(house: House) -> None:
    for number in range(230):
        await put(house, number)

    assert await expiry(house).sweep_items(datetime.now(UTC) + timedelta(seconds=TTL_SECONDS + 1)) == 230
    assert house.store.usage().items == 0


async def test_what_is_read_or_worked_on_stays_until_the_next_round(house: House) -> None:
    pinned, other = await put(house), await put(house)
    late = after(other, TTL_SECONDS + 1)

    with house.store.pin(pinned.id):
        first = await expiry(house).sweep_items(late)
        still_there = await house.store.get(pinned.id)
    second = await expiry(house).sweep_items(late)

    assert (first, second, still_there) == (1, 1, pinned)
    with pytest.raises(NotFound):
        await house.store.get(pinned.id)


async def test_without_a_time_nothing_goes(house: House) -> None:
    item = await put(house)

    assert await expiry(house, ttl_seconds=0).sweep_items(after(item, 10**9)) == 0
    assert await house.store.get(item.id) == item


async def test_the_store_looks_for_orphans_every_hour(house: House) -> None:
    class CountingStore(LocalStore):
        sweeps = 0

        async def sweep(self) -> int:
            self.sweeps += 1
            return 0

    disk = DiskThreads()
    store = CountingStore(StorageSettings(), disk)  # not opened: nothing of it is used but the sweep
    now = time.monotonic()
    sweeper = Expiry(store, house.resumable, 0)

    for seconds in (0, 3500, 3700, 3800, 7400):
        await sweeper.sweep_orphans(now + seconds)
    await disk.aclose()

    assert store.sweeps == 2


class StubbornStore(LocalStore):
    """Cannot delete `stubborn`, and cannot list anything while `is_away`."""

    stubborn = ""
    is_away = False

    async def delete(self, media_id: str) -> None:
        if media_id == self.stubborn:
            raise StorageUnavailable("The store does not answer.")
        await super().delete(media_id)

    async def page(self, limit: int, cursor: str | None = None, kind: MediaKind | None = None) -> MediaPage:
        if self.is_away:
            raise OSError("it is away")
        return await super().page(limit, cursor, kind)


class UnluckyResumable(Resumable):
    """Cannot finish what was left; counts the sweeps."""

    def __init__(self, real: Resumable) -> None:
        self.limits = real.limits
        self.sweeps = 0
        self._real = real

    async def finish_left(self) -> None:
        raise StorageUnavailable("The store does not answer.")

    async def sweep(self) -> None:
        self.sweeps += 1
        await self._real.sweep()


async def test_an_item_that_cannot_be_removed_keeps_no_other(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with opened(tmp_path, store_type=StubbornStore) as house:
        assert isinstance(house.store, StubbornStore)
        items = [await put(house, number) for number in range(4)]
        house.store.stubborn = items[2].id

        removed = await expiry(house).sweep_items(after(items[-1], TTL_SECONDS + 1))

        assert removed == 3
        assert [item.id for item in (await house.store.page(10)).items] == [items[2].id]
    assert "could not be removed: The store does not answer." in caplog.text


async def test_a_round_goes_on_whatever_fails_in_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with opened(tmp_path, store_type=StubbornStore) as house:
        assert isinstance(house.store, StubbornStore)
        house.store.is_away = True
        resumable = UnluckyResumable(house.resumable)

        sweeping = asyncio.create_task(Expiry(house.store, resumable, TTL_SECONDS).run())
        await until(lambda: resumable.sweeps > 0)

        assert not sweeping.done()
        sweeping.cancel()
        await asyncio.wait((sweeping,))
    assert "finishing what an earlier run left failed" in caplog.text
    assert "the sweep of items failed" in caplog.text
