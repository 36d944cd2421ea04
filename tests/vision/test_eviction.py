"""Who leaves when room is needed: idle ones first, in a certain order; those in use only when their turn is over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.domain.priority import Priority
from app.domain.units import MIB
from app.vision.eviction import PATIENCE_SECONDS, TURN_SECONDS
from tests.leaks import Leaks
from tests.vision.toys import HIGH, Feet, Noses, Toes, ToyHouse, open_toys
from tests.workers.pools import until


@pytest.fixture
async def house(tmp_path: Path, leaks: Leaks) -> AsyncIterator[ToyHouse]:
    async with open_toys(tmp_path, workers=2, watch=leaks.watch) as opened:
        yield opened


async def test_an_idle_model_leaves_for_one_that_is_waited_for(house: ToyHouse) -> None:
    await house.analyze(Noses)
    taken = house.fill(3 * MIB)

    await house.analyze(Toes)

    assert house.loaded == ["model:toes"]
    taken.release()


async def test_the_least_recently_used_one_leaves_first(house: ToyHouse) -> None:
    for task in (Noses, Toes):
        await house.analyze(task)
        house.find(task).load_seconds = 0.1
        house.clock.now += 10

    house.vision.eviction.make_room(1)
    await until(lambda: len(house.pids) == 1)

    assert house.loaded == ["model:toes"]


async def test_one_that_is_expensive_to_bring_back_stays_before_a_cheap_one(house: ToyHouse) -> None:
    for task, load_seconds in ((Noses, 0.3), (Toes, 0.1)):
        await house.analyze(task)
        house.find(task).load_seconds = load_seconds
        house.clock.now += 10

    house.vision.eviction.make_room(1)
    await until(lambda: len(house.pids) == 1)

    assert house.loaded == ["model:noses"]


async def test_a_second_instance_leaves_before_the_only_one_of_another_model(house: ToyHouse, tmp_path: Path) -> None:
    await house.analyze(Noses)
    house.clock.now += 100
    await house.second_child(tmp_path, Toes)

    house.vision.eviction.make_room(1)
    await until(lambda: len(house.pids) == 2)

    assert house.loaded == ["model:noses", "model:toes"]


async def test_all_of_its_instances_leave_where_all_is_wanted(house: ToyHouse, tmp_path: Path) -> None:
    await house.second_child(tmp_path, Toes)

    leaving = house.vision.eviction.make_room(None)
    await until(lambda: house.entries() == {})

    assert len({account.pid for account in leaving}) == len(leaving) == 2


async def test_a_model_that_another_one_answers_for_too_leaves_before_others(house: ToyHouse) -> None:
    await house.analyze(Noses)
    house.clock.now += 100
    await house.analyze(Toes)
    await house.analyze(Feet)

    house.vision.eviction.make_room(1)
    await until(lambda: len(house.pids) == 2)

    assert house.loaded == ["model:feet", "model:noses"]


async def test_nothing_that_is_in_use_leaves(house: ToyHouse, tmp_path: Path) -> None:
    async with house.held(tmp_path, Toes):
        leaving = house.vision.eviction.make_room(None)

        assert leaving == []
        assert house.loaded == ["model:toes"]


async def test_no_more_leave_than_are_needed(house: ToyHouse) -> None:
    for task in (Noses, Toes, Feet):
        await house.analyze(task)
        house.clock.now += 10

    leaving = house.vision.eviction.make_room(Noses.model_bytes)

    assert len(leaving) == 1


async def test_one_in_use_goes_on_for_its_turn_and_then_gives_way(house: ToyHouse, tmp_path: Path) -> None:
    taken = None
    async with house.held(tmp_path, Noses):
        taken = house.fill(3 * MIB)
        waiting = asyncio.create_task(house.analyze(Toes))
        await until(lambda: house.find(Toes).is_waiting)
        house.vision.eviction.look()
        within_its_turn = house.find(Noses).is_leaving
        house.clock.now += 2 * TURN_SECONDS
        house.vision.eviction.look()
        after_its_turn = house.find(Noses).is_leaving
        still_there = house.loaded
    await waiting

    assert not within_its_turn
    assert after_its_turn
    assert still_there == ["model:noses"]
    assert house.loaded == ["model:toes"]
    taken.release()


async def test_who_comes_to_a_model_whose_turn_is_over_waits_for_its_next_load(house: ToyHouse, tmp_path: Path) -> None:
    async with house.held(tmp_path, Noses):
        taken = house.fill(3 * MIB)
        first = asyncio.create_task(house.analyze(Toes))
        await until(lambda: house.find(Toes).is_waiting)
        house.vision.eviction.look()  # from now on it is short
        house.clock.now += 2 * TURN_SECONDS
        house.vision.eviction.look()
        newcomer = asyncio.create_task(house.analyze(Noses))
        await until(lambda: house.find(Noses).is_waiting)
    await first
    house.clock.now += 2 * TURN_SECONDS
    await newcomer

    assert house.loaded == ["model:noses"]
    taken.release()


async def test_a_model_that_a_stream_uses_has_its_turn_last(house: ToyHouse, tmp_path: Path) -> None:
    async with (
        house.held(tmp_path, Noses, priority=Priority.LIVE),
        house.held(tmp_path, Feet, priority=Priority.REQUEST),
    ):
        taken = house.fill(3 * MIB)
        waiting = asyncio.create_task(house.analyze(Toes, count=2))  # `Feet` does not answer for that
        await until(lambda: house.find(Toes, count=2).is_waiting)
        house.vision.eviction.look()  # from now on it is short
        house.clock.now += 2 * TURN_SECONDS
        house.vision.eviction.look()
        leaving = [model.key.task for model in house.vision.models if model.is_leaving]
    await waiting

    assert leaving == [Feet]
    taken.release()


async def test_a_model_whose_caller_waits_for_bytes_stays_and_that_of_a_stream_gives_way(
    house: ToyHouse, tmp_path: Path
) -> None:
    for task in (Noses, Feet):
        await house.analyze(task)
    async with house.held(tmp_path, Feet, priority=Priority.LIVE):
        taken = house.fill(0)
        waiting = asyncio.create_task(house.analyze(Noses))  # its model is there, the bytes of the call are not
        await until(lambda: house.find(Noses).is_awaited)
        house.vision.eviction.look()
        within_its_turn = house.find(Feet).is_leaving
        house.clock.now += 2 * TURN_SECONDS
        house.vision.eviction.look()
        after_its_turn = house.find(Feet).is_leaving
    await waiting

    assert not within_its_turn
    assert after_its_turn
    assert house.loaded == ["model:noses"]
    taken.release()


async def test_a_tracker_gives_way_to_a_call_that_has_waited_for_a_turn(house: ToyHouse) -> None:
    await house.analyze(Toes)
    stream = house.vision.trackers.open()
    key = house.find(Toes).key
    await until(lambda: stream.current(key) is not None)
    await house.analyze(Toes, tracker=stream.current(key))
    taken = house.fill(0)
    waiting = asyncio.create_task(house.analyze(Toes))
    await until(lambda: house.find(Toes).is_awaited)
    house.vision.eviction.look()
    within_its_turn = house.loaded
    house.clock.now += 2 * TURN_SECONDS
    house.vision.eviction.look()
    await waiting

    assert len(within_its_turn) == 2
    assert house.loaded == ["model:toes"]
    stream.close()
    taken.release()


async def test_an_idle_model_is_not_taken_at_once_for_what_is_no_vision(house: ToyHouse) -> None:
    await house.analyze(Noses)
    taken = house.fill(0)
    pending = house.governor.budget.reserve({"buffers": MIB}, owner="upload", priority=Priority.REQUEST)
    waiting = asyncio.create_task(pending.__aenter__())
    await until(lambda: house.governor.budget.missing_bytes is not None)
    house.vision.eviction.look()
    within_its_turn = house.loaded
    house.clock.now += 2 * TURN_SECONDS
    await waiting

    assert within_its_turn == ["model:noses"]
    assert house.loaded == []
    await pending.__aexit__(None, None, None)
    taken.release()


async def test_a_batch_that_needs_more_than_all_models_hold_takes_none_that_was_used_a_short_while_ago(
    house: ToyHouse,
) -> None:
    await house.analyze(Noses)
    taken = house.fill(0)
    wanted_bytes = Noses.model_bytes + MIB
    pending = house.governor.budget.reserve({"film": wanted_bytes}, owner="ffmpeg", priority=Priority.BATCH)
    waiting = asyncio.create_task(pending.__aenter__())
    await until(lambda: house.governor.budget.missing_bytes == wanted_bytes)
    house.clock.now += 2 * TURN_SECONDS
    house.vision.eviction.look()
    await house.governor.reclaim.reclaim(wanted_bytes)
    a_short_while_after = house.loaded
    house.clock.now += 10
    house.vision.eviction.look()
    await until(lambda: house.loaded == [])
    taken.release()
    await waiting

    assert a_short_while_after == ["model:noses"]
    await pending.__aexit__(None, None, None)


async def test_long_work_in_the_background_takes_no_model_that_was_used_a_short_while_ago(
    house: ToyHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.vision.eviction._BRIEF_BYTES", MIB)
    await house.analyze(Noses)
    taken = house.fill(0)
    pending = house.governor.budget.reserve({"film": MIB + 1}, owner="ffmpeg", priority=Priority.BATCH)
    waiting = asyncio.create_task(pending.__aenter__())
    await until(lambda: house.governor.budget.missing_bytes == MIB + 1)
    house.clock.now += 2 * TURN_SECONDS
    house.vision.eviction.look()
    a_short_while_after = house.loaded
    house.clock.now += 10
    await waiting

    assert a_short_while_after == ["model:noses"]
    assert house.loaded == []
    await pending.__aexit__(None, None, None)
    taken.release()


async def test_long_work_in_the_background_has_its_turn_beside_a_model_that_is_used_without_an_end(
    house: ToyHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.vision.eviction._BRIEF_BYTES", MIB)
    await house.analyze(Noses)
    taken = house.fill(2 * MIB)
    pending = house.governor.budget.reserve({"film": 4 * MIB}, owner="ffmpeg", priority=Priority.BATCH, wait_seconds=60)
    waiting = asyncio.create_task(pending.__aenter__())
    answered = 0

    async def use() -> None:
        nonlocal answered
        while not waiting.done():
            await house.analyze(Noses)
            answered += 1

    using = asyncio.create_task(use())
    began = house.clock.now
    while not waiting.done() and house.clock.now < began + 2 * PATIENCE_SECONDS:
        house.clock.now += 0.1
        house.vision.eviction.look()
        await asyncio.sleep(0.005)
    seconds = house.clock.now - began
    await waiting
    await pending.__aexit__(None, None, None)
    await using

    assert PATIENCE_SECONDS / 2 < seconds < 2 * PATIENCE_SECONDS
    assert answered > 1
    taken.release()


async def test_long_work_in_the_background_has_its_turn_where_trackers_have_to_go_too(
    house: ToyHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.vision.eviction._BRIEF_BYTES", MIB)
    await house.analyze(Toes)
    stream = house.vision.trackers.open()
    key = house.find(Toes).key
    await until(lambda: stream.current(key) is not None)
    taken = house.fill(0)
    wanted_bytes = house.find(Toes).smallest_bytes + MIB
    pending = house.governor.budget.reserve({"film": wanted_bytes}, owner="ffmpeg", priority=Priority.BATCH)
    waiting = asyncio.create_task(pending.__aenter__())

    async def watch() -> None:
        while not waiting.done():
            await house.analyze(Toes, tracker=stream.current(key))

    watching = asyncio.create_task(watch())
    await until(lambda: house.governor.budget.missing_bytes == wanted_bytes)
    began = house.clock.now
    while not waiting.done() and house.clock.now < began + 2 * PATIENCE_SECONDS:
        house.clock.now += 0.1
        house.vision.eviction.look()
        await asyncio.sleep(0.005)
    await asyncio.wait_for(waiting, 10)
    await pending.__aexit__(None, None, None)
    taken.release()
    await watching

    assert PATIENCE_SECONDS / 2 < house.clock.now - began < 2 * PATIENCE_SECONDS
    stream.close()


async def test_room_is_looked_for_again_when_a_call_begins_to_wait(house: ToyHouse) -> None:
    for task in (Noses, Feet):
        await house.analyze(task)
    await asyncio.sleep(0.05)  # whoever looks for room has looked, and nobody waits
    house.clock.now += 10
    taken = house.fill(0)

    async with asyncio.timeout(5):
        await house.analyze(Noses)

    assert house.loaded == ["model:noses"]
    taken.release()


async def test_a_load_that_was_granted_other_bytes_meanwhile_takes_nothing_from_anybody(
    house: ToyHouse, tmp_path: Path
) -> None:
    async with house.held(tmp_path, Noses):
        taken = house.fill(3 * MIB)
        waiting = asyncio.create_task(house.analyze(Toes))
        await until(lambda: house.find(Toes).is_waiting)
        taken.release()
        await waiting

    assert house.loaded == ["model:noses", "model:toes"]


async def test_reclaiming_lets_idle_models_go_and_tells_what_came_back(house: ToyHouse) -> None:
    await house.analyze(Toes)
    house.clock.now += 10

    report = await house.governor.reclaim.reclaim(None)

    freed = {entry.name: entry.freed_bytes for entry in report}
    assert freed["idle models"] == Toes.model_bytes
    assert house.entries() == {}


async def test_at_high_what_is_not_used_goes_by_itself(house: ToyHouse) -> None:
    await house.analyze(Toes)
    house.clock.now += 10

    house.at(HIGH)

    await until(lambda: house.pids == [])


async def test_an_error_while_looking_for_room_does_not_end_the_search(
    house: ToyHouse, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    look = house.vision.eviction.look
    failures: list[int] = []

    def fail_once() -> bool:
        if not failures:
            failures.append(1)
            raise RuntimeError("a fault")
        return look()

    monkeypatch.setattr(house.vision.eviction, "look", fail_once)
    await house.analyze(Noses)
    taken = house.fill(3 * MIB)

    await house.analyze(Toes)

    assert "looking for room failed" in caplog.text
    taken.release()
