"""Models: found, loaded once for all who wait, lent, and let go. The children are real, their models are not."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.domain.units import MIB
from app.errors import InvalidMedia, Overloaded, WorkerFailed
from tests.leaks import Leaks
from tests.vision.toys import CRITICAL, HIGH, LOW, Feet, Noses, Toes, ToyHouse, open_toys
from tests.workers.pools import until


@pytest.fixture
async def house(tmp_path: Path, leaks: Leaks) -> AsyncIterator[ToyHouse]:
    async with open_toys(tmp_path, watch=leaks.watch) as opened:
        yield opened


async def test_a_model_is_loaded_when_it_is_first_needed(house: ToyHouse) -> None:
    before = house.loaded

    reply = await house.analyze(count=3)

    assert before == []
    assert house.loaded == ["model:toes"]
    assert reply.head["options"]["params"] == {"count": 3}


async def test_many_who_come_at_once_wait_for_one_load_together(house: ToyHouse, tmp_path: Path) -> None:
    (tmp_path / "slow").touch()
    work = [asyncio.create_task(house.analyze()) for _ in range(5)]
    await until((tmp_path / "slow.begun").exists)
    waiting = house.governor.budget.statistics().waiting
    (tmp_path / "slow.release").touch()

    replies = await asyncio.gather(*work)

    assert waiting == 5
    assert len({reply.pid for reply in replies}) == 1
    assert house.vision.models.counters.started == 1


async def test_its_account_is_as_granted_until_the_kernel_is_asked(house: ToyHouse) -> None:
    await house.analyze()

    assert house.entries() == {"model:toes": Toes.model_bytes}  # the gauge of the test does not see it


async def test_what_was_declared_and_not_taken_is_free_as_soon_as_it_is_loaded(
    house: ToyHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(house.governor), "resident_now", lambda *_: 3 * MIB)

    await house.analyze()

    assert house.entries() == {"model:toes": 5 * MIB}  # and two of them to spare


async def test_another_task_that_serves_it_with_the_same_parameters_is_used(house: ToyHouse) -> None:
    await house.analyze(Feet)

    same = await house.analyze(Toes)
    other = await house.analyze(Toes, count=2)

    assert same.head["options"]["task"] == "feet"
    assert same.head["asked"] == "toes"
    assert other.head["options"]["task"] == "toes"


async def test_its_own_model_goes_before_one_that_serves_it_too(house: ToyHouse) -> None:
    await house.analyze(Toes)
    await house.analyze(Feet)

    assert (await house.analyze(Toes)).head["options"]["task"] == "toes"


async def test_other_parameters_take_the_place_of_the_least_recently_used_ones(house: ToyHouse) -> None:
    await house.analyze(count=1)

    await house.analyze(count=2)
    await until(lambda: len(house.pids) == 1)

    assert house.find(count=2).is_ready
    assert house.entries() == {"model:toes": Toes.model_bytes}


async def test_clients_cannot_make_the_list_of_models_grow_by_inventing_parameters(house: ToyHouse) -> None:
    for count in range(6):
        await house.analyze(count=count)

    await until(lambda: len(list(house.vision.models)) == 1)


async def test_a_load_waits_in_the_order_of_the_ledger_and_for_so_long_at_most(house: ToyHouse) -> None:
    taken = house.fill(MIB)
    waiting = asyncio.create_task(house.analyze())
    await until(lambda: house.governor.budget.statistics().waiting == 1)
    before = house.pids

    taken.release()
    await waiting

    assert before == []
    assert len(house.pids) == 1


async def test_who_waits_for_a_model_holds_nothing_meanwhile(house: ToyHouse) -> None:
    taken = house.fill(5 * MIB)
    waiting = asyncio.create_task(house.analyze())
    await until(lambda: house.governor.budget.statistics().waiting == 1)

    free_bytes = house.governor.budget.free_bytes

    assert free_bytes == 5 * MIB
    taken.release()
    await waiting


async def test_a_load_that_fails_is_told_to_all_who_wait_and_leaves_nothing(house: ToyHouse, tmp_path: Path) -> None:
    (tmp_path / "broken").touch()

    outcomes = await asyncio.gather(*(house.analyze() for _ in range(3)), return_exceptions=True)

    assert {type(outcome) for outcome in outcomes} == {WorkerFailed}
    assert house.entries() == {}
    assert list(house.vision.models) == []


async def test_who_leaves_while_a_model_is_loaded_leaves_nothing(house: ToyHouse, tmp_path: Path) -> None:
    (tmp_path / "slow").touch()
    work = asyncio.create_task(house.analyze())
    await until((tmp_path / "slow.begun").exists)

    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    (tmp_path / "slow.release").touch()
    await until(lambda: house.loaded == ["model:toes"])

    assert house.entries() == {"model:toes": Toes.model_bytes}
    assert house.find().is_idle


async def test_the_bytes_of_a_call_stay_taken_until_the_child_has_answered(house: ToyHouse, tmp_path: Path) -> None:
    await house.analyze()
    work = asyncio.create_task(house.analyze(picture=f"hold {tmp_path / 'held'}"))
    await until((tmp_path / "held.begun").exists)
    during = house.governor.budget.reserved_bytes

    work.cancel()
    for _ in range(5):
        await asyncio.sleep(0)
    after_the_client_left = house.governor.budget.reserved_bytes
    (tmp_path / "held.release").touch()
    await asyncio.gather(work, return_exceptions=True)

    assert after_the_client_left == during
    assert house.governor.budget.reserved_bytes == during - MIB


async def test_a_second_instance_comes_where_calls_wait_and_bytes_are_free(tmp_path: Path, leaks: Leaks) -> None:
    async with open_toys(tmp_path, workers=2, watch=leaks.watch) as house:
        await house.second_child(tmp_path)

        assert house.entries() == {"model:toes": 2 * Toes.model_bytes}


async def test_a_second_instance_pushes_nobody_out(tmp_path: Path, leaks: Leaks) -> None:
    async with open_toys(tmp_path, workers=2, watch=leaks.watch) as house:
        await house.analyze(Noses)
        await house.analyze(Toes)
        taken = house.fill(4 * MIB)
        async with house.held(tmp_path):
            behind = asyncio.create_task(house.analyze())
            await until(lambda: house.find().pool.waiting == 1)
            loaded = house.loaded
        await behind

        taken.release()
        assert loaded == ["model:noses", "model:toes"]


async def test_at_high_there_is_one_instance_of_a_model(tmp_path: Path, leaks: Leaks) -> None:
    async with open_toys(tmp_path, workers=2, watch=leaks.watch) as house:
        await house.second_child(tmp_path)

        house.at(HIGH)
        await until(lambda: len(house.pids) <= 1)


async def test_at_critical_nothing_is_loaded_and_the_largest_child_goes(house: ToyHouse) -> None:
    await house.analyze(Toes)
    house.at(CRITICAL)
    await until(lambda: house.pids == [])

    with pytest.raises(Overloaded):
        await house.analyze(Toes)

    house.at(LOW)
    await house.analyze(Toes)


async def test_a_child_that_dies_of_a_picture_has_a_successor_under_the_same_account(
    house: ToyHouse, tmp_path: Path
) -> None:
    first = await house.analyze()
    taken = house.fill(2 * MIB)

    second = await house.analyze(picture=f"die {tmp_path / 'once'}")

    assert second.pid != first.pid
    assert house.entries() == {"model:toes": Toes.model_bytes}
    taken.release()


async def test_who_comes_while_a_successor_starts_waits_for_it_and_loads_no_second_one(
    house: ToyHouse, tmp_path: Path
) -> None:
    await house.analyze()
    (tmp_path / "slow").touch()
    dying = asyncio.create_task(house.analyze(picture=f"die {tmp_path / 'once'}"))
    await until((tmp_path / "slow.begun").exists)

    newcomer = asyncio.create_task(house.analyze())
    await until(lambda: house.find().pool.waiting == 2)
    (tmp_path / "slow.release").touch()
    replies = await asyncio.gather(dying, newcomer)

    assert {reply.pid for reply in replies} == set(house.pids)
    assert len(house.pids) == 1
    assert house.vision.models.counters.started == 2


async def test_a_child_that_is_killed_while_idle_gives_its_bytes_back_and_the_next_call_loads_it_again(
    house: ToyHouse,
) -> None:
    await house.analyze()

    os.kill(house.pids[0], signal.SIGKILL)
    await until(lambda: house.entries() == {})
    await house.analyze()

    assert len(house.pids) == 1


async def test_a_picture_that_children_crashed_on_is_refused_before_anything_is_loaded_for_it(house: ToyHouse) -> None:
    with pytest.raises(InvalidMedia):
        await house.analyze(picture="die")

    with pytest.raises(InvalidMedia):
        await house.analyze(picture="die")

    assert house.vision.models.counters.started == 2
    assert house.entries() == {}


async def test_an_error_of_the_picture_leaves_the_model_where_it_is(house: ToyHouse) -> None:
    await house.analyze()

    with pytest.raises(InvalidMedia):
        await house.analyze(picture="bad")

    assert len(house.pids) == 1
    assert house.find().is_idle


async def test_a_model_that_has_grown_beyond_what_leaves_room_is_replaced(house: ToyHouse) -> None:
    await house.analyze()
    (grown,) = house.pids
    house.see(grown, 60 * MIB)
    budget, key = house.governor.budget, house.key()
    (model,) = house.vision.models
    model.accounts[0].is_outgrown()  # its entry follows
    beside_bytes = budget.limit_bytes - 50 * MIB

    house.vision.replace_large(key, beside_bytes)

    await house.analyze()
    assert grown not in house.pids
    assert house.vision.held_bytes(key) + beside_bytes <= budget.limit_bytes
