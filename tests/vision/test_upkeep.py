"""Models and workers that nobody uses go, cheapest first; what was just used stays."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.domain.pressure import PressureLevel
from app.errors import Overloaded
from app.vision.accounts import WORKER_BYTES
from tests.leaks import Leaks
from tests.vision.toys import CRITICAL, HIGH, LOW, MODEL_BYTES, MODERATE, Feet, Noses, Toes, ToyHouse, open_toys
from tests.workers.pools import until

LONG_SECONDS = 100.0


@pytest.fixture
async def house(tmp_path: Path, leaks: Leaks) -> AsyncIterator[ToyHouse]:
    async with open_toys(tmp_path, workers=2, watch=leaks.watch) as house:
        yield house


def models(house: ToyHouse) -> list[set[str]]:
    return [set(house.accounts.models_of(pid)) for pid in house.pids]


def make_old(house: ToyHouse) -> None:
    """Let so much time go by in the ledger that no worker is spared for being new."""
    for account in house.accounts._accounts.values():
        assert account.holder is not None
        account.holder._holder.since -= 60


async def reclaimed(house: ToyHouse) -> dict[str, int]:
    report = await house.governor.reclaim.reclaim(None)
    assert [one.error for one in report] == [None] * len(report)
    return {one.name: one.freed_bytes for one in report}


async def test_what_was_idle_for_too_long_is_unloaded_and_its_bytes_are_free(house: ToyHouse) -> None:
    await house.analyze(Toes)
    house.clock.now += LONG_SECONDS
    await house.analyze(Noses)

    freed_bytes = await house.vision.upkeep.unload_idle(LONG_SECONDS)

    assert freed_bytes == MODEL_BYTES
    assert models(house) == [{"noses"}]
    assert house.entries() == [WORKER_BYTES + Noses.instance_bytes]


async def test_what_was_idle_for_less_stays(house: ToyHouse) -> None:
    await house.analyze(Toes)
    house.clock.now += LONG_SECONDS - 1
    await house.analyze(Noses)

    assert await house.vision.upkeep.unload_idle(LONG_SECONDS) == 0
    assert models(house) == [{"toes", "noses"}]


async def test_the_last_models_of_a_worker_go_with_it_and_not_before(house: ToyHouse) -> None:
    await house.analyze(Toes)
    await house.analyze(Noses)
    house.clock.now += LONG_SECONDS

    assert await house.vision.upkeep.unload_idle(LONG_SECONDS) == 0
    assert models(house) == [{"toes", "noses"}]


async def test_a_model_that_is_in_use_stays(house: ToyHouse, tmp_path: Path) -> None:
    await house.analyze(Toes)
    await house.analyze(Noses)
    house.clock.now += LONG_SECONDS
    working = asyncio.create_task(house.analyze(Toes, f"hold {tmp_path / 'held'}"))
    await until((tmp_path / "held.begun").exists)

    unloading = asyncio.create_task(house.vision.upkeep.unload_idle(LONG_SECONDS))
    (tmp_path / "held.release").touch()
    await working
    freed_bytes = await unloading

    assert freed_bytes == MODEL_BYTES
    assert "toes" in models(house)[0]


async def test_what_was_unloaded_behind_a_call_is_known_to_be_gone(house: ToyHouse, tmp_path: Path) -> None:
    await house.analyze(Toes)
    await house.analyze(Noses)
    house.clock.now += LONG_SECONDS
    working = asyncio.create_task(house.analyze(Toes, f"hold {tmp_path / 'held'}"))
    await until((tmp_path / "held.begun").exists)

    unloading = asyncio.create_task(house.vision.upkeep.unload_idle(LONG_SECONDS))
    (tmp_path / "held.release").touch()
    await asyncio.gather(working, unloading)

    assert models(house) == [{"toes"}]
    assert house.accounts.parts_to_load(Noses, {"count": 1}) != {}


async def test_a_model_that_another_serves_goes_at_the_next_look(house: ToyHouse) -> None:
    await house.analyze(Toes)
    await house.analyze(Feet)
    house.clock.now += 0.01

    await house.vision.upkeep.unload_idle(LONG_SECONDS)

    assert models(house) == [{"feet"}]
    await house.analyze(Toes)


async def test_reclaiming_takes_idle_models_first_and_then_idle_workers(house: ToyHouse) -> None:
    await house.analyze(Toes)
    house.clock.now += LONG_SECONDS
    await house.analyze(Noses)
    make_old(house)

    first = await reclaimed(house)
    assert models(house) == [{"noses"}]
    house.clock.now += LONG_SECONDS
    await asyncio.sleep(1.0)  # the reclaimers are asked once a second at most, by the real clock
    second = await reclaimed(house)

    assert first["idle models"] == MODEL_BYTES
    assert first["idle workers"] == 0
    assert second["idle workers"] > 0
    assert house.pids == []
    assert house.entries() == []


async def test_a_worker_that_was_just_loaded_or_used_is_spared(house: ToyHouse) -> None:
    await house.analyze(Toes)
    house.clock.now += LONG_SECONDS  # idle, but new in the ledger
    await reclaimed(house)
    assert len(house.pids) == 1

    make_old(house)
    await house.analyze(Toes)  # old, but just used
    await asyncio.sleep(1.0)  # see above
    await reclaimed(house)

    assert len(house.pids) == 1


async def test_a_worker_at_work_is_not_taken(house: ToyHouse, tmp_path: Path) -> None:
    await house.analyze(Toes)
    make_old(house)
    house.clock.now += LONG_SECONDS
    working = asyncio.create_task(house.analyze(Toes, f"hold {tmp_path / 'held'}"))
    await until((tmp_path / "held.begun").exists)

    report = await reclaimed(house)
    (tmp_path / "held.release").touch()
    await working

    assert report["idle workers"] == 0
    assert len(house.pids) == 1


async def test_at_high_the_surplus_workers_go(house: ToyHouse, tmp_path: Path) -> None:
    await house.second_worker(tmp_path)

    house.at(MODERATE)
    assert len(house.pids) == 2
    house.at(HIGH)
    await until(lambda: len(house.pids) == 1)

    await until(lambda: len(house.entries()) == 1)
    await house.analyze(Toes)
    assert len(house.pids) == 1


async def test_a_surplus_worker_finishes_its_call_first(house: ToyHouse, tmp_path: Path) -> None:
    await house.second_worker(tmp_path)
    held = [asyncio.create_task(house.analyze(Toes, f"hold {tmp_path / name}")) for name in ("a", "b")]
    for name in ("a", "b"):
        await until((tmp_path / f"{name}.begun").exists)

    house.at(HIGH)
    for name in ("a", "b"):
        (tmp_path / f"{name}.release").touch()
    await asyncio.gather(*held)

    await until(lambda: len(house.pids) == 1)
    assert house.vision.pool.statistics.died == 0


async def test_when_memory_is_critical_the_largest_worker_goes_and_none_is_started(house: ToyHouse) -> None:
    await house.analyze(Toes)

    house.at(CRITICAL)
    assert house.governor.level is PressureLevel.CRITICAL
    await until(lambda: house.pids == [])

    with pytest.raises(Overloaded):
        await house.analyze(Toes)
    await until(lambda: house.entries() == [])
    assert house.vision.pool.statistics.started == 1

    house.at(LOW)
    await house.analyze(Toes)


async def test_after_the_end_nothing_is_asked_for_any_more(tmp_path: Path) -> None:
    async with open_toys(tmp_path) as house:
        house.vision.upkeep.close()
        house.vision.upkeep._undo.clear()  # the end of the house closes it again

        house.at(CRITICAL)

        assert "idle workers" not in await reclaimed(house)


async def test_it_looks_by_itself(tmp_path: Path, leaks: Leaks) -> None:
    async with open_toys(tmp_path, idle_seconds=0.4, watch=leaks.watch) as house:
        await house.analyze(Toes)
        house.clock.now += LONG_SECONDS
        await house.analyze(Noses)
        running = asyncio.create_task(house.vision.upkeep.run())

        await until(lambda: house.entries() == [] or models(house) == [{"noses"}])
        await until(lambda: house.pids == [])  # and a worker that nobody uses goes whole

        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
