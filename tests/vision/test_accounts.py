"""The ledger entries of the workers, and which models they hold."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.domain.priority import Priority
from app.domain.units import MIB
from app.errors import InvalidMedia
from app.vision.accounts import GROWTH_BYTES, WORKER_BYTES
from tests.leaks import Leaks
from tests.vision.toys import CRITICAL, HIGH, LOW, MODEL_BYTES, Feet, Noses, Toes, ToyHouse, open_toys, params_of
from tests.workers.pools import until


@pytest.fixture
async def house(tmp_path: Path, leaks: Leaks) -> AsyncIterator[ToyHouse]:
    async with open_toys(tmp_path, workers=2, watch=leaks.watch) as house:
        yield house


async def test_the_first_call_brings_the_worker_and_its_model(house: ToyHouse) -> None:
    before = house.accounts.parts_to_load(Toes, params_of(Toes))

    await house.analyze(Toes)

    assert before == {"worker": WORKER_BYTES, "model:toes": Toes.model_bytes}
    assert house.entries() == [WORKER_BYTES + Toes.model_bytes]
    assert house.accounts.parts_to_load(Toes, params_of(Toes)) == {}
    assert house.accounts.models_of(house.pids[0]) == {"toes": MODEL_BYTES}
    assert house.accounts.resident_bytes("toes") == MODEL_BYTES
    assert house.accounts.resident_bytes("feet") is None


async def test_the_next_task_brings_an_instance_only(house: ToyHouse) -> None:
    await house.analyze(Toes)

    assert house.accounts.parts_to_load(Noses, params_of(Noses)) == {"model:noses": Noses.instance_bytes}
    await house.analyze(Noses)

    assert house.entries() == [WORKER_BYTES + Toes.model_bytes + Noses.instance_bytes]


async def test_a_task_brings_nothing_where_another_serves_it_with_the_same_parameters(house: ToyHouse) -> None:
    await house.analyze(Feet, count=2)

    assert house.accounts.parts_to_load(Toes, params_of(Toes, count=2)) == {}
    assert house.accounts.parts_to_load(Toes, params_of(Toes, count=3)) == {"model:toes": Toes.instance_bytes}
    assert house.accounts.parts_to_load(Feet, params_of(Feet, count=3)) == {}  # it replaces its own model


async def test_what_another_task_serves_is_redundant(house: ToyHouse) -> None:
    await house.analyze(Toes, count=2)
    (pid,) = house.pids
    alone = house.accounts.redundant(pid)

    await house.analyze(Feet, count=2)

    assert alone == set()
    assert house.accounts.redundant(pid) == {"toes"}
    assert house.accounts.redundant(4242) == set()


async def test_parameters_that_differ_are_not_redundant(house: ToyHouse) -> None:
    await house.analyze(Toes, count=2)
    await house.analyze(Feet, count=3)

    assert house.accounts.redundant(house.pids[0]) == set()


async def test_what_is_seen_of_a_worker_stands_in_its_entry(house: ToyHouse) -> None:
    await house.analyze(Toes)
    (pid,) = house.pids
    house.gauge.resident_bytes[pid] = 45 * MIB

    house.at(LOW)

    seen = {holder.owner: holder.resident_bytes for holder in house.governor.budget.statistics().holders}
    assert seen["worker:vision"] == 45 * MIB
    assert house.governor.role(pid) == "vision"


async def test_a_worker_that_dies_takes_its_entry_along(house: ToyHouse) -> None:
    await house.analyze(Toes)
    (pid,) = house.pids

    os.kill(pid, signal.SIGKILL)
    await until(lambda: house.vision.pool.statistics.died == 1)

    assert house.entries() == []
    assert house.governor.role(pid) == "other"
    assert house.accounts.models_of(pid) == {}
    assert house.accounts.parts_to_load(Toes, params_of(Toes)).keys() == {"worker", "model:toes"}


async def test_a_call_whose_worker_died_is_answered_by_the_next_which_has_an_entry_again(
    house: ToyHouse, tmp_path: Path
) -> None:
    await house.analyze(Toes)
    (first,) = house.pids

    reply = await house.analyze(Toes, f"die {tmp_path / 'once'}")

    assert reply.pid != first
    assert house.pids == [reply.pid]
    (reserved,) = house.entries()
    assert reserved >= WORKER_BYTES + MODEL_BYTES


async def test_a_worker_that_dies_on_its_first_call_leaves_one_entry_for_the_next(
    house: ToyHouse, tmp_path: Path
) -> None:
    await house.analyze(Toes, f"die {tmp_path / 'once'}")

    assert house.entries() == [WORKER_BYTES + Toes.model_bytes]


async def test_a_first_picture_that_is_refused_leaves_the_worker_in_the_ledger(house: ToyHouse) -> None:
    with pytest.raises(InvalidMedia):
        await house.analyze(Toes, "bad")

    assert house.entries() == [WORKER_BYTES]
    await house.analyze(Toes)
    assert house.entries() == [WORKER_BYTES + Toes.model_bytes]


async def test_a_second_worker_is_paid_for_before_it_starts(house: ToyHouse, tmp_path: Path) -> None:
    await house.analyze(Toes)

    await house.second_worker(tmp_path)

    assert sorted(house.entries()) == sorted([WORKER_BYTES + Toes.model_bytes, WORKER_BYTES + MODEL_BYTES])


async def test_without_room_there_is_no_second_worker_and_calls_wait(house: ToyHouse) -> None:
    await house.analyze(Toes)
    budget = house.governor.budget
    taken = budget.try_reserve({"x": budget.free_bytes - 10 * MIB}, owner="other", priority=Priority.LIVE)
    assert taken is not None

    calls = [asyncio.create_task(house.analyze(Toes)) for _ in range(8)]
    await asyncio.gather(*calls)

    assert len(house.pids) == 1
    taken.release()


async def test_what_was_taken_for_a_worker_that_never_came_is_given_back_at_the_end(house: ToyHouse) -> None:
    await house.analyze(Toes)

    assert house.accounts.may_grow()
    assert house.accounts.may_grow()  # the same bytes
    assert sorted(house.entries()) == sorted([WORKER_BYTES + Toes.model_bytes, WORKER_BYTES + MODEL_BYTES])
    house.accounts.close()

    assert house.entries() == [WORKER_BYTES + Toes.model_bytes]


async def test_a_worker_has_outgrown_when_it_holds_more_than_its_entry_and_room_to_breathe(house: ToyHouse) -> None:
    await house.analyze(Toes)
    (worker,) = house.vision.pool.workers
    allowed = WORKER_BYTES + Toes.model_bytes + GROWTH_BYTES

    house.see(worker.pid, allowed)
    at_the_edge = house.accounts.is_outgrown(worker)
    house.see(worker.pid, allowed + 1)

    assert not at_the_edge
    assert house.accounts.is_outgrown(worker)


async def test_a_worker_that_has_outgrown_is_replaced_between_calls(house: ToyHouse) -> None:
    await house.analyze(Toes)
    (pid,) = house.pids
    house.see(pid, WORKER_BYTES + Toes.model_bytes + GROWTH_BYTES + 1)

    await house.analyze(Toes)
    reply = await house.analyze(Toes)
    await until(lambda: house.pids == [reply.pid])

    assert reply.pid != pid
    assert house.vision.pool.statistics.recycled == 1
    assert house.vision.pool.statistics.died == 0
    await until(lambda: len(house.entries()) == 1)


@pytest.mark.parametrize(
    ("share", "configured", "allowed"), [(LOW, 4, 4), (HIGH, 4, 2), (HIGH, 1, 1), (CRITICAL, 4, 0)]
)
async def test_how_many_workers_there_may_be_follows_the_mode(
    house: ToyHouse, share: float, configured: int, allowed: int
) -> None:
    house.at(share)

    assert house.accounts.allowed(configured) == allowed


async def test_what_is_given_back_twice_counts_once(house: ToyHouse) -> None:
    await house.analyze(Toes)
    (pid,) = house.pids

    house.accounts.give_back(pid, ["model:toes", "never there"])
    house.accounts.give_back(pid, ["model:toes"])
    house.accounts.give_back(4242, ["model:toes"])

    assert house.entries() == [WORKER_BYTES]


async def test_an_answer_of_a_worker_that_is_gone_changes_nothing(house: ToyHouse) -> None:
    house.accounts.record_models(4242, {"models": [{"task": "toes", "params": {}, "residentBytes": 1}], "revision": 1})
    with_parts = house.governor.budget.try_reserve({"model:toes": 5}, owner="test", priority=Priority.LIVE)
    assert with_parts is not None

    house.accounts.take_over(4242, with_parts, ["model:toes"])

    assert dict(with_parts.parts) == {"model:toes": 5}
    assert house.accounts.resident_bytes("toes") is None
    assert house.accounts.age_seconds(4242) == 0.0
    with_parts.release()


async def test_a_worker_with_slots_begins_with_one_call_and_takes_more_when_that_is_paid_for(
    tmp_path: Path, leaks: Leaks
) -> None:
    async with open_toys(tmp_path, slots=2, watch=leaks.watch) as house:
        await house.analyze(Toes)
        before = house.entries()

        await house.analyze_two(tmp_path)

        assert before == [WORKER_BYTES + Toes.model_bytes]
        assert house.entries() == [WORKER_BYTES + Toes.model_bytes + Toes.instance_bytes]
        assert [worker.concurrency for worker in house.vision.pool.workers] == [2]


async def test_without_room_a_worker_takes_no_second_call(tmp_path: Path, leaks: Leaks) -> None:
    async with open_toys(tmp_path, slots=2, watch=leaks.watch) as house:
        await house.analyze(Toes)
        budget = house.governor.budget
        taken = budget.try_reserve({"x": budget.free_bytes - 3 * MIB}, owner="other", priority=Priority.LIVE)
        assert taken is not None

        await asyncio.gather(*(house.analyze(Toes) for _ in range(6)))

        assert [worker.concurrency for worker in house.vision.pool.workers] == [1]
        taken.release()


async def test_at_high_a_worker_takes_one_call_at_a_time_and_the_bytes_come_back(tmp_path: Path, leaks: Leaks) -> None:
    async with open_toys(tmp_path, slots=2, watch=leaks.watch) as house:
        await house.analyze(Toes)
        await house.analyze_two(tmp_path)

        house.at(HIGH)
        await until(lambda: house.entries() == [WORKER_BYTES + Toes.model_bytes])

        await asyncio.gather(*(house.analyze(Toes) for _ in range(6)))
        assert [worker.concurrency for worker in house.vision.pool.workers] == [1]
        assert house.entries() == [WORKER_BYTES + Toes.model_bytes]
