"""Both parts of the cache together."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from app.derived.cache import IN_MEMORY_BYTES
from app.derived.entries import BodyFile
from app.domain.units import MIB
from app.memory.cache import CacheKey, Kept
from tests.derived.shelves import ITEM, Place, key, opened


async def body_in_file(place: Place, wanted: CacheKey) -> bytes | None:
    async with place.cache.find_in_file(wanted) as found:
        if found is None:
            return None
        if isinstance(found.body, bytes):
            return found.body
        return os.pread(found.body.fd, found.body.size_bytes, 0)


async def test_what_is_kept_is_found_in_memory(tmp_path: Path) -> None:
    async with opened(tmp_path) as place:
        await place.cache.keep(key("a"), b"head", b"body")

        assert place.cache.find_in_memory(key("a")) == Kept(b"head", b"body")


async def test_what_memory_had_to_give_back_is_found_in_its_file_and_taken_in_again(tmp_path: Path) -> None:
    async with opened(tmp_path) as place:
        await place.cache.keep(key("a"), b"head", b"body")
        place.memory.evict()
        missed = place.cache.find_in_memory(key("a"))

        assert (missed, await body_in_file(place, key("a"))) == (None, b"body")
        assert place.cache.find_in_memory(key("a")) == Kept(b"head", b"body")

        statistics = place.cache.statistics()
    assert (statistics.hits, statistics.misses, statistics.hit_rate) == (2, 0, 1.0)


async def test_what_is_in_neither_is_one_miss(tmp_path: Path) -> None:
    async with opened(tmp_path) as place:
        place.cache.find_in_memory(key("a"))
        await body_in_file(place, key("a"))

        statistics = place.cache.statistics()
    assert (statistics.hits, statistics.misses, statistics.hit_rate) == (0, 1, 0.0)


async def test_what_was_only_sent_stays_in_memory(tmp_path: Path) -> None:
    async with opened(tmp_path) as place:
        await place.cache.keep(key("a", subject=""), b"head", b"body")

        assert place.cache.find_in_memory(key("a", subject="")) is not None
        assert place.files() == []


async def test_a_large_body_stays_in_its_file(tmp_path: Path) -> None:
    body = os.urandom(IN_MEMORY_BYTES + 1)
    fd = os.memfd_create("picture")
    os.write(fd, body)
    async with opened(tmp_path, limit_bytes=4 * MIB) as place:
        await place.cache.keep(key("a"), b"head", BodyFile(fd, len(body)))
        os.close(fd)

        assert await body_in_file(place, key("a")) == body
        assert place.memory.statistics().entries == 0


async def test_what_was_made_of_an_item_goes_with_it_from_both(tmp_path: Path) -> None:
    async with opened(tmp_path) as place:
        await place.cache.keep(key("a"), b"head", b"body")

        await place.cache.forget(ITEM)

        assert place.cache.find_in_memory(key("a")) is None
        assert await body_in_file(place, key("a")) is None


async def test_what_is_found_while_its_item_is_deleted_does_not_stay(tmp_path: Path) -> None:
    async with opened(tmp_path) as place:
        await place.cache.keep(key("a"), b"head", b"body")
        place.memory.evict()

        await asyncio.gather(body_in_file(place, key("a")), place.cache.forget(ITEM))

        assert place.cache.find_in_memory(key("a")) is None
