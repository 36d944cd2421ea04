"""The cache's files: bounded, counted in the quota, the oldest go first, all give way."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from app.errors import StorageFull
from tests.derived.shelves import ITEM, OTHER, Place, key, opened

HEAD = b"{}"
FILE_BYTES = 1000
BODY = bytes(FILE_BYTES - len(HEAD) - 24)


async def found(place: Place, name: str, subject: str = ITEM) -> bytes | None:
    result = await place.shelf.find(key(name, subject))
    if result is None:
        return None
    _, body = result
    try:
        return os.pread(body.fd, body.size_bytes, 0)
    finally:
        os.close(body.fd)


async def put(place: Place, name: str, age_minutes: float = 0, subject: str = ITEM) -> bool:
    """Keep a file that was not used for so long."""
    kept = await place.shelf.put(key(name, subject), HEAD, BODY)
    for path in place.folder.rglob(f"test-{name}"):
        used = time.time() - 60 * age_minutes
        os.utime(path, (used, used))
    return kept


async def test_what_was_put_is_found_and_counted(tmp_path: Path) -> None:
    async with opened(tmp_path / "derived") as place:
        await put(place, "a")

        assert (await found(place, "a"), await found(place, "b")) == (BODY, None)

        statistics = place.shelf.statistics()
    assert (statistics.entries, statistics.size_bytes) == (1, FILE_BYTES)
    assert (statistics.hits, statistics.misses) == (1, 1)


async def test_it_outlives_a_restart_and_is_counted_again(tmp_path: Path) -> None:
    async with opened(tmp_path / "derived") as place:
        await put(place, "a")
        await put(place, "b", subject=OTHER)

    async with opened(tmp_path / "derived") as place:
        assert await found(place, "a") == BODY
        assert (place.shelf.statistics().entries, place.space.usage().cached_bytes) == (2, 2 * FILE_BYTES)


async def test_a_draft_of_a_killed_run_is_removed(tmp_path: Path) -> None:
    (tmp_path / "derived").mkdir()
    (tmp_path / "derived" / "draft-1").write_bytes(b"half")

    async with opened(tmp_path / "derived") as place:
        assert place.files() == []


@pytest.mark.parametrize("apart_minutes", [30, 0.01], ids=["hours apart", "within a minute"])
async def test_the_oldest_go_first_and_never_more_than_the_limit_is_there(tmp_path: Path, apart_minutes: float) -> None:
    async with opened(tmp_path / "derived", limit_bytes=8 * FILE_BYTES) as place:
        for number in range(8):
            await put(place, f"{number}", age_minutes=(9 - number) * apart_minutes)

        await put(place, "8")

        assert place.files() == [f"test-{number}" for number in range(1, 9)]
        statistics = place.shelf.statistics()
    assert (statistics.entries, statistics.size_bytes, statistics.evictions) == (8, 8 * FILE_BYTES, 1)


async def test_what_is_used_stays_longer(tmp_path: Path) -> None:
    async with opened(tmp_path / "derived", limit_bytes=3 * FILE_BYTES) as place:
        for number in range(3):
            await put(place, f"{number}", age_minutes=60 * (9 - number))
        await found(place, "0")

        await put(place, "3")

        assert place.files() == ["test-0", "test-2", "test-3"]


async def test_what_is_larger_than_the_limit_is_not_kept_and_removes_nothing(tmp_path: Path) -> None:
    async with opened(tmp_path / "derived", limit_bytes=2 * FILE_BYTES) as place:
        await put(place, "a")

        kept = await place.shelf.put(key("b"), HEAD, bytes(3 * FILE_BYTES))

        assert not kept
        assert place.files() == ["test-a"]


async def test_a_limit_of_nothing_keeps_nothing_and_clears_what_there_was(tmp_path: Path) -> None:
    async with opened(tmp_path / "derived") as place:
        await put(place, "a")

    async with opened(tmp_path / "derived", limit_bytes=0) as place:
        assert not await put(place, "b")
        assert await found(place, "a") is None
        assert place.files() == []
        assert place.space.usage().cached_bytes == 0


async def test_a_lower_limit_holds_from_the_start(tmp_path: Path) -> None:
    async with opened(tmp_path / "derived") as place:
        for number in range(5):
            await put(place, f"{number}", age_minutes=60 * (9 - number))

    async with opened(tmp_path / "derived", limit_bytes=2 * FILE_BYTES) as place:
        assert place.files() == ["test-3", "test-4"]


async def test_what_was_made_of_an_item_goes_with_it(tmp_path: Path) -> None:
    async with opened(tmp_path / "derived") as place:
        await put(place, "a")
        await put(place, "b")
        await put(place, "c", subject=OTHER)

        await place.shelf.forget(ITEM)

        assert place.files() == ["test-c"]
        assert place.space.usage().cached_bytes == FILE_BYTES


async def test_what_has_no_item_is_not_put_on_the_disk(tmp_path: Path) -> None:
    async with opened(tmp_path / "derived") as place:
        assert not await put(place, "a", subject="")
        assert place.files() == []


async def test_a_value_put_again_replaces_the_old_one(tmp_path: Path) -> None:
    async with opened(tmp_path / "derived") as place:
        await put(place, "a")

        await place.shelf.put(key("a"), HEAD, b"new")

        assert await found(place, "a") == b"new"
        statistics = place.shelf.statistics()
        assert (statistics.entries, statistics.size_bytes) == (1, len(b"new") + len(HEAD) + 24)


async def test_files_count_for_the_quota_and_make_room_for_uploads(tmp_path: Path) -> None:
    async with opened(tmp_path / "derived", quota_bytes=10 * FILE_BYTES) as place:
        for number in range(6):
            await put(place, f"{number}", age_minutes=60 * (9 - number))

        reservation = await place.space.reserve(6 * FILE_BYTES)

        assert place.files() == [f"test-{number}" for number in range(2, 6)]
        reservation.release()


async def test_an_upload_that_could_never_fit_costs_the_cache_nothing(tmp_path: Path) -> None:
    async with opened(tmp_path / "derived", quota_bytes=10 * FILE_BYTES) as place:
        await put(place, "a")

        with pytest.raises(StorageFull):
            await place.space.reserve(11 * FILE_BYTES)

        assert place.files() == ["test-a"]


async def test_a_full_disk_keeps_nothing_and_nothing_stays_reserved(tmp_path: Path) -> None:
    async with opened(tmp_path / "derived", quota_bytes=FILE_BYTES // 2) as place:
        assert not await put(place, "a")

        usage = place.space.usage()
    assert (usage.reserved_bytes, usage.cached_bytes) == (0, 0)
    assert place.files() == []


async def test_a_file_that_is_broken_is_made_again(tmp_path: Path) -> None:
    async with opened(tmp_path / "derived") as place:
        await put(place, "a")
        path = next(place.folder.rglob("test-a"))
        path.write_bytes(b"x" * FILE_BYTES)

        missed = await found(place, "a")
        await put(place, "a")

        assert (missed, await found(place, "a")) == (None, BODY)
        assert place.shelf.statistics().entries == 1
