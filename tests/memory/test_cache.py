"""The one cache: bounded in bytes, in the ledger, and giving way."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.priority import Priority
from app.memory.budget import MemoryBudget
from app.memory.cache import Cache
from tests.leaks import Leaks

ENTRY_BYTES = 400


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
    cache.put("a", b"value")

    found, missed = cache.get("a"), cache.get("b")

    statistics = cache.statistics()
    assert (found, missed) == (b"value", None)
    assert (statistics.hits, statistics.misses, statistics.hit_rate) == (1, 1, 0.5)


def test_the_least_recently_used_goes_first(cache: Cache) -> None:
    for key in "abc":
        cache.put(key, bytes(2900))
    cache.get("a")

    cache.put("d", bytes(2900))

    assert [key for key in "abcd" if cache.get(key) is not None] == ["a", "c", "d"]


def test_what_is_larger_than_the_cache_is_not_kept_and_evicts_nothing(cache: Cache) -> None:
    cache.put("a", b"value")

    kept = cache.put("b", bytes(10_000))

    assert not kept
    assert cache.get("a") == b"value"


def test_its_bytes_are_in_the_ledger_and_come_back(cache: Cache, budget: MemoryBudget) -> None:
    cache.put("a", bytes(1000))
    reserved_bytes = budget.reserved_bytes

    freed_bytes = cache.evict()

    assert reserved_bytes == freed_bytes == 1000 + ENTRY_BYTES
    assert budget.reserved_bytes == 0


def test_it_takes_nothing_that_is_not_free(cache: Cache, budget: MemoryBudget) -> None:
    other = budget.try_reserve({"work": 99_500}, owner="test", priority=Priority.REQUEST)
    assert other is not None

    kept = cache.put("a", bytes(1000))

    assert not kept
    other.release()


def test_under_pressure_it_shrinks_to_its_share(cache: Cache) -> None:
    for key in "abc":
        cache.put(key, bytes(2600))

    cache.limit_to(0.5)

    assert [key for key in "abc" if cache.get(key) is not None] == ["c"]
    assert cache.statistics().limit_bytes == 5000


def test_emptied_by_the_mode_it_keeps_nothing_until_the_share_rises(cache: Cache) -> None:
    cache.limit_to(0.0)
    kept = cache.put("a", b"value")
    cache.limit_to(1.0)

    assert not kept
    assert cache.put("a", b"value")


def test_a_value_put_again_replaces_the_old_one(cache: Cache) -> None:
    cache.put("a", bytes(1000))

    cache.put("a", b"new")

    assert cache.get("a") == b"new"
    assert cache.statistics().size_bytes == 3 + ENTRY_BYTES


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 6000), st.sampled_from([0.0, 0.5, 1.0]))))
def test_it_never_holds_more_than_its_limit_and_the_ledger_agrees(steps: list[tuple[str, int, float]]) -> None:
    budget = MemoryBudget(100_000, working_set=lambda: 0)
    cache = Cache(10_000, budget)

    for key, size, share in steps:
        cache.limit_to(share)
        cache.put(key, bytes(size))
        statistics = cache.statistics()
        assert statistics.size_bytes <= statistics.limit_bytes
        assert statistics.size_bytes == budget.reserved_bytes

    cache.close()
    budget.check_empty()
