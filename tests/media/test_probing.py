from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from app.domain.media import DetailsState, MediaDetails, MediaItem
from app.domain.media_types import MP4
from app.errors import MemoryExceedsLimit, NotFound, Overloaded, ProcessingTimeout
from app.imaging.formats.png import Png
from app.media.probing import MOST_ITEMS, Probing
from app.settings import StorageSettings
from app.storage.backends.local import LocalStore
from app.storage.threads import DiskThreads
from tests.samples import mp4, png

T = TypeVar("T")

FILM = MediaDetails(width=320, height=180, duration_seconds=2.0)
PENDING = MediaDetails(pending=True)


class ToyFinder:
    """Answers with what it is told to, one after the other; the last again and again. Waits for `may_answer`."""

    def __init__(self) -> None:
        self.is_able = True
        self.outcomes: list[MediaDetails | Exception] = [FILM]
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.begun = asyncio.Event()
        self.looked_at: list[bytes] = []

    async def find_out(self, content_type: str, path: Path) -> MediaDetails:
        assert content_type == "video/mp4"
        self.looked_at.append(await asyncio.to_thread(path.read_bytes))
        self.begun.set()
        await self.may_answer.wait()
        outcome = self.outcomes[0] if len(self.outcomes) == 1 else self.outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


async def eventually(look: Callable[[], Awaitable[T | None]]) -> T:
    async with asyncio.timeout(30):
        while True:
            if (found := await look()) is not None:
                return found
            await asyncio.sleep(0.01)


class House:
    def __init__(self, folder: Path) -> None:
        self.disk = DiskThreads()
        self.store = LocalStore(StorageSettings(root=folder / "root", free_floor=0, fsync=False), self.disk)
        self.finder = ToyFinder()
        self.probing = self.again()

    def again(self) -> Probing:
        """Return another run on the same file."""
        path = self.store._root / "state" / "details.json"
        return Probing(self.store, self.finder, self.disk, path, pause_seconds=0.01)

    async def put(self, details: MediaDetails = PENDING) -> MediaItem:
        data = mp4(1000)
        async with self.store.writer(len(data), "none") as writer:
            await writer.write(data)
            return await writer.commit("x.mp4", MP4, details)

    async def until(self, media_id: str, state: DetailsState) -> MediaItem:
        async def is_so() -> MediaItem | None:
            item = await self.store.get(media_id)
            return item if item.details.state is state else None

        return await eventually(is_so)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    house = House(tmp_path)
    await house.store.open()
    await house.probing.open()
    running = asyncio.create_task(house.probing.run())
    yield house
    running.cancel()
    await asyncio.wait((running,))
    await house.probing.aclose()
    await house.store.aclose()
    await house.disk.aclose()


async def test_what_is_pending_is_found_out_after_the_answer_and_stays_found(house: House) -> None:
    item = await house.put()

    house.probing.follow(item)

    found = await house.until(item.id, DetailsState.COMPLETE)
    assert found.details == FILM
    assert house.finder.looked_at == [mp4(1000)]
    assert (await house.store.page(5)).items == (found,)


async def test_what_is_known_is_not_looked_at(house: House) -> None:
    house.probing.follow(await house.put(FILM))
    house.probing.follow(await house.put(MediaDetails()))
    pending = await house.put()
    house.probing.follow(pending)
    await house.until(pending.id, DetailsState.COMPLETE)

    assert len(house.finder.looked_at) == 1


async def test_without_memory_it_is_tried_until_there_is_some(house: House) -> None:
    house.finder.outcomes = [*[Overloaded("no memory")] * 10, FILM]
    item = await house.put()

    house.probing.follow(item)

    assert (await house.until(item.id, DetailsState.COMPLETE)).details == FILM


@pytest.mark.parametrize(
    ("error", "looks"), [(ProcessingTimeout("it hung"), 3), (MemoryExceedsLimit("never"), 1)], ids=["hangs", "never"]
)
async def test_what_fails_for_good_is_unknown_and_can_be_asked_for_again(
    house: House, error: Exception, looks: int
) -> None:
    house.finder.outcomes = [error]
    item = await house.put()
    house.probing.follow(item)
    await house.until(item.id, DetailsState.UNKNOWN)
    seen = len(house.finder.looked_at)

    house.finder.outcomes = [FILM]
    again = await house.probing.ask(item.id, 30)

    assert seen == looks
    assert again.details == FILM


async def test_who_asks_again_waits_no_longer_than_he_likes(house: House) -> None:
    house.finder.may_answer.clear()
    item = await house.put(MediaDetails())

    asked = await house.probing.ask(item.id, 0.05)

    assert asked.details == PENDING
    house.finder.may_answer.set()
    await house.until(item.id, DetailsState.COMPLETE)


async def test_nothing_is_asked_about_pictures_and_what_is_known_or_where_nobody_can_look(house: House) -> None:
    film = await house.put(FILM)
    async with house.store.writer(None, "none") as writer:
        await writer.write(png())
        picture = await writer.commit("x.png", Png.media_type, MediaDetails())
    unknown = await house.put(MediaDetails())

    asked = [await house.probing.ask(item.id, 30) for item in (film, picture)]
    house.finder.is_able = False
    asked.append(await house.probing.ask(unknown.id, 30))

    assert asked == [film, picture, unknown]
    assert house.finder.looked_at == []
    with pytest.raises(NotFound):
        await house.probing.ask("v" + "0" * 21, 30)


async def test_an_item_can_be_deleted_while_it_is_looked_at(house: House) -> None:
    house.finder.may_answer.clear()
    item, other = await house.put(), await house.put()
    house.probing.follow(item)
    await house.finder.begun.wait()

    house.probing.forget(item.id)
    await house.store.delete(item.id)

    house.finder.may_answer.set()
    house.probing.follow(other)
    await house.until(other.id, DetailsState.COMPLETE)
    with pytest.raises(NotFound):
        await house.store.get(item.id)
    assert not list((house.store._root / "media").rglob(f"{item.id}*"))


async def test_the_next_run_goes_on_with_what_is_left(house: House) -> None:
    house.finder.outcomes = [Overloaded("no memory")]
    item = await house.put()
    house.probing.follow(item)
    await house.probing.aclose()
    house.finder.outcomes = [FILM]

    again = house.again()
    await again.open()
    running = asyncio.create_task(again.run())

    await house.until(item.id, DetailsState.COMPLETE)
    running.cancel()
    await asyncio.wait((running,))


async def test_no_more_wait_than_may(house: House) -> None:
    probing = house.again()
    items = [await house.put() for _ in range(2)]

    for number in range(MOST_ITEMS):
        probing._follow(f"v{number:021d}")
    probing.follow(items[0])

    assert len(probing._turns) == MOST_ITEMS
