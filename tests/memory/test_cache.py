"""The one cache: bounded in bytes, in the ledger, and giving way."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.priority import Priority
from app.memory.budget import MemoryBudget
from app.memory.cache import Cache, CacheKey, Kept
from tests.leaks import Leaks

ENTRY_BYTES = 700


def named(name: str, subject: str = "") -> CacheKey:
    return CacheKey("test", subject, name)


def sized(size_bytes: int) -> Kept:
    return Kept(b"", bytes(size_bytes))


def keys_of(cache: Cache, names: str) -> list[str]:
    return [name for name in names if cache.get(named(name)) is not None]


VALUE = Kept(b"head", b"body")


@pytest.fixture
def budget(leaks: Leaks) -> MemoryBudget:
    budget = MemoryBudget(100_000, working_set=lambda: 0)
    leaks.watch(budget)
    return budget


@pytest.fixture
def cache(budget: MemoryBudget) -> Iterator[Cache]:
    cache = Cache(10_000, budget)
    yield cache
    cache.close()


def test_what_was_put_is_found_and_counted(cache: Cache) -> None:
    cache.put(named("a"), VALUE)

    found, missed = cache.get(named("a")), cache.get(named("b"))

    statistics = cache.statistics()
    assert (found, missed) == (VALUE, None)
    assert (statistics.hits, statistics.misses) == (1, 1)


def test_the_least_recently_used_goes_first(cache: Cache) -> None:
    for key in "abc":
        cache.put(named(key), sized(2600))
    cache.get(named("a"))

    cache.put(named("d"), sized(2600))

    assert keys_of(cache, "abcd") == ["a", "c", "d"]


def test_what_is_larger_than_the_cache_is_not_kept_and_evicts_nothing(cache: Cache) -> None:
    cache.put(named("a"), VALUE)

    kept = cache.put(named("b"), sized(10_000))

    assert not kept
    assert cache.get(named("a")) == VALUE


def test_its_bytes_are_in_the_ledger_and_come_back(cache: Cache, budget: MemoryBudget) -> None:
    cache.put(named("a"), sized(1000))
    reserved_bytes = budget.reserved_bytes

    freed_bytes = cache.evict()

    assert reserved_bytes == freed_bytes == 1000 + ENTRY_BYTES
    assert budget.reserved_bytes == 0


def test_it_takes_nothing_that_is_not_free(cache: Cache, budget: MemoryBudget) -> None:
    other = budget.try_reserve({"work": 99_500}, owner="test", priority=Priority.REQUEST)
    assert other is not None

    kept = cache.put(named("a"), sized(1000))

    assert not kept
    other.release()


def test_under_pressure_it_shrinks_to_its_share(cache: Cache) -> None:
    for key in "abc":
        cache.put(named(key), sized(2600))

    cache.limit_to(0.5)

    assert keys_of(cache, "abc") == ["c"]
    assert cache.statistics().limit_bytes == 5000


def test_emptied_by_the_mode_it_keeps_nothing_until_the_share_rises(cache: Cache) -> None:
    cache.limit_to(0.0)
    kept = cache.put(named("a"), VALUE)
    cache.limit_to(1.0)

    assert not kept
    assert cache.put(named("a"), VALUE)


def test_a_value_put_again_replaces_the_old_one(cache: Cache) -> None:
    cache.put(named("a"), sized(1000))

    cache.put(named("a"), VALUE)

    assert cache.get(named("a")) == VALUE
    assert cache.statistics().size_bytes == 8 + ENTRY_BYTES


def test_what_was_made_of_an_item_goes_with_it_and_nothing_else_does(cache: Cache) -> None:
    for name, subject in (("a", "one"), ("b", "one"), ("c", "two"), ("d", "")):
        cache.put(named(name, subject), VALUE)

    cache.forget("one")

    assert [cache.get(named(name, "one")) for name in "ab"] == [None, None]
    assert cache.get(named("c", "two")) == cache.get(named("d")) == VALUE
    assert cache.statistics().evictions == 0


def test_entries_are_counted_by_source(cache: Cache) -> None:
    cache.put(CacheKey("images", "", "a"), VALUE)
    cache.put(CacheKey("images", "", "b"), VALUE)
    cache.put(CacheKey("vision", "", "a"), VALUE)
    cache.evict(1)

    by_source = cache.statistics().by_source
    assert {name: one.entries for name, one in by_source.items()} == {"images": 1, "vision": 1}
    assert by_source["images"].size_bytes == VALUE.size_bytes + ENTRY_BYTES


def test_what_had_to_go_is_counted(cache: Cache) -> None:
    for name in "abcd":
        cache.put(named(name), sized(2600))

    assert cache.statistics().evictions == 1


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 6000), st.sampled_from([0.0, 0.5, 1.0]))))
def test_it_never_holds_more_than_its_limit_and_the_ledger_agrees(steps: list[tuple[str, int, float]]) -> None:
    budget = MemoryBudget(100_000, working_set=lambda: 0)
    cache = Cache(10_000, budget)

    for key, size, share in steps:
        cache.limit_to(share)
        cache.put(named(key), sized(size))
        statistics = cache.statistics()
        assert statistics.size_bytes <= statistics.limit_bytes
        assert statistics.size_bytes == budget.reserved_bytes

    cache.close()
    budget.check_empty()
