from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar, TypeVarTuple

import pytest

from app.domain.media import MediaKind
from app.errors import InvalidParameter
from app.storage import ids
from app.storage.catalogue import Catalogue
from app.storage.threads import DiskThreads

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

IMAGES = (MediaKind.IMAGE,)
BEGIN = datetime(2026, 3, 1, tzinfo=UTC)


class CountedDisk(DiskThreads):
    """Counts the folders that are read; while `hold` is set, reading one waits for `go_on`."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = 0
        self.hold = False
        self.has_read, self.go_on = asyncio.Event(), threading.Event()

    async def read(self, function: Callable[[*Ts], T], *args: *Ts) -> T:
        self.reads += function.__name__ == "_read"
        found = await super().read(function, *args)
        if self.hold and function.__name__ == "_read":
            self.has_read.set()
            await super().read(self.go_on.wait)
        return found


@pytest.fixture
async def disk() -> AsyncIterator[CountedDisk]:
    threads = CountedDisk()
    yield threads
    await threads.aclose()


def make_item(folder: Path, minutes: float, kind: MediaKind = MediaKind.IMAGE) -> str:
    """Make the metadata of an item; return its id."""
    media_id = ids.new_id(kind, BEGIN + timedelta(minutes=minutes))
    path = folder.parent / ids.path_of(media_id, ".json")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return media_id


@pytest.fixture
def media(tmp_path: Path) -> Path:
    return tmp_path / "media"


async def test_items_of_all_kinds_and_folders_come_newest_first(media: Path, disk: CountedDisk) -> None:
    kinds = [MediaKind.IMAGE, MediaKind.VIDEO]
    made = [make_item(media, 90 * hour, kinds[hour % 2]) for hour in range(40)]
    catalogue = Catalogue(media, disk)

    pages: list[str] = []
    while page := await catalogue.newest(tuple(kinds), ids.cursor_after(pages[-1]) if pages else None, 7):
        pages += page

    assert pages == made[::-1]
    assert await catalogue.newest((MediaKind.AUDIO,), None, 7) == []
    with pytest.raises(InvalidParameter):
        await catalogue.newest(IMAGES, "no cursor", 7)


async def test_a_folder_is_read_once_and_follows_what_comes_and_goes(media: Path, disk: CountedDisk) -> None:
    made = [make_item(media, minute) for minute in range(10)]
    catalogue = Catalogue(media, disk)
    await catalogue.newest(IMAGES, None, 3)

    newer = ids.new_id(MediaKind.IMAGE, BEGIN + timedelta(minutes=20))
    elsewhere = make_item(media, 60 * 24)
    for media_id in (newer, newer, elsewhere):
        catalogue.added(media_id)
    catalogue.removed(made[5])
    catalogue.removed(made[5])

    expected = [elsewhere, newer, *(made[at] for at in range(9, -1, -1) if at != 5)]
    assert await catalogue.newest(IMAGES, None, 50) == expected
    assert disk.reads == 2  # one for each folder


async def test_what_changes_while_a_folder_is_read_is_not_lost(media: Path, disk: CountedDisk) -> None:
    made = [make_item(media, minute) for minute in range(3)]
    catalogue = Catalogue(media, disk)
    disk.hold = True
    reading = asyncio.create_task(catalogue.newest(IMAGES, None, 50))
    await disk.has_read.wait()

    newer = ids.new_id(MediaKind.IMAGE, BEGIN + timedelta(minutes=20))
    catalogue.added(newer)
    catalogue.removed(made[1])
    disk.go_on.set()

    assert await reading == [newer, made[2], made[0]]
    assert await catalogue.newest(IMAGES, None, 50) == [newer, made[2], made[0]]


async def test_what_is_kept_is_bounded_and_a_larger_folder_is_listed_all_the_same(
    media: Path, disk: CountedDisk
) -> None:
    made = [make_item(media, minute) for minute in range(100)]
    catalogue = Catalogue(media, disk, kept_bytes=1024)  # 24 ids

    pages: list[str] = []
    while page := await catalogue.newest(IMAGES, ids.cursor_after(pages[-1]) if pages else None, 40):
        pages += page

    assert pages == made[::-1]
    assert catalogue._used_bytes <= 1024


async def test_a_folder_that_grows_beyond_what_is_kept_is_forgotten(media: Path, disk: CountedDisk) -> None:
    made = [make_item(media, minute) for minute in range(20)]
    catalogue = Catalogue(media, disk, kept_bytes=1024)
    await catalogue.newest(IMAGES, None, 5)

    for minute in range(20, 40):
        made.append(make_item(media, minute))
        catalogue.added(made[-1])

    assert await catalogue.newest(IMAGES, None, 50) == made[::-1]
    assert catalogue._used_bytes <= 1024
