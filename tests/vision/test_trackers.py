"""Trackers: granted to streams while memory is plenty, taken back when it is not, and never lost sight of."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.domain.priority import Priority
from app.domain.units import MIB
from app.vision.accounts import WORKER_BYTES
from app.vision.trackers import Tracker
from app.workers.channel import Message
from tests.leaks import Leaks
from tests.vision.toys import HIGH, LOW, MODEL_BYTES, MODERATE, Noses, Toes, ToyHouse, ToyParams, open_toys
from tests.workers.pools import until

ONE_WORKER = WORKER_BYTES + Toes.model_bytes


@pytest.fixture
async def house(tmp_path: Path, leaks: Leaks) -> AsyncIterator[ToyHouse]:
    """A house with one worker that is up and has a model."""
    async with open_toys(tmp_path, workers=2, watch=leaks.watch) as house:
        await house.analyze(Toes)
        yield house


def grant(house: ToyHouse) -> Tracker:
    tracker = house.vision.trackers.grant(Toes, ToyParams())
    assert tracker is not None
    return tracker


async def living(house: ToyHouse) -> set[str]:
    """Return the trackers that the workers have, by asking them."""
    found: set[str] = set()
    for pid in house.pids:
        answer = house.vision.pool.command(pid, Message({"task": "toes", "params": {"count": 1}}, b""), 5)
        assert answer is not None
        found |= set((await answer).head["trackers"])
    return found


async def test_at_low_a_tracker_is_granted_and_stands_in_the_entry_of_its_worker(house: ToyHouse) -> None:
    tracker = grant(house)

    await house.analyze(Toes, tracker=tracker)

    assert tracker.pid == house.pids[0]
    assert house.entries() == [ONE_WORKER + Toes.tracker_bytes]
    assert house.vision.trackers.count == 1
    assert await living(house) == {tracker.id}


async def test_each_stream_has_its_own(house: ToyHouse) -> None:
    trackers = [grant(house) for _ in range(3)]

    for tracker in trackers:
        await house.analyze(Toes, tracker=tracker)

    assert await living(house) == {tracker.id for tracker in trackers}
    assert house.entries() == [ONE_WORKER + 3 * Toes.tracker_bytes]


async def test_its_timestamps_always_rise(house: ToyHouse) -> None:
    tracker = grant(house)

    stamps = [tracker.next_ms() for _ in range(1000)]

    assert stamps == sorted(set(stamps))
    for _ in range(5):
        await house.analyze(Toes, tracker=tracker)  # the toy refuses one that does not


async def test_above_low_none_is_granted_but_those_there_are_stay(house: ToyHouse) -> None:
    tracker = grant(house)

    house.at(MODERATE)

    assert house.vision.trackers.grant(Toes, ToyParams()) is None
    assert house.vision.trackers.may_keep(tracker)


async def test_a_task_without_trackers_gets_none(house: ToyHouse) -> None:
    assert house.vision.trackers.grant(Noses, ToyParams()) is None


async def test_without_a_worker_there_is_none(tmp_path: Path) -> None:
    async with open_toys(tmp_path) as house:
        assert house.vision.trackers.grant(Toes, ToyParams()) is None


async def test_without_free_bytes_there_is_none(house: ToyHouse) -> None:
    budget = house.governor.budget
    taken = budget.try_reserve({"x": budget.free_bytes - MIB}, owner="other", priority=Priority.LIVE)
    assert taken is not None

    assert house.vision.trackers.grant(Toes, ToyParams()) is None

    taken.release()
    assert house.vision.trackers.grant(Toes, ToyParams()) is not None


async def test_one_that_is_dropped_is_closed_and_its_bytes_come_back(house: ToyHouse) -> None:
    tracker = grant(house)
    await house.analyze(Toes, tracker=tracker)

    house.vision.trackers.drop(tracker)
    house.vision.trackers.drop(tracker)  # once is enough
    await until(lambda: house.entries() == [ONE_WORKER])

    assert await living(house) == set()
    assert house.vision.trackers.count == 0


async def test_its_bytes_stay_taken_until_the_worker_has_closed_it(house: ToyHouse, tmp_path: Path) -> None:
    tracker = grant(house)
    working = asyncio.create_task(house.analyze(Toes, f"hold {tmp_path / 'held'}", tracker))
    await until((tmp_path / "held.begun").exists)

    house.vision.trackers.drop(tracker)
    await asyncio.sleep(0)
    meanwhile = house.entries()
    (tmp_path / "held.release").touch()
    await working
    await until(lambda: house.entries() == [ONE_WORKER])

    assert meanwhile == [ONE_WORKER + Toes.tracker_bytes]
    assert await living(house) == set()


async def test_one_that_was_never_used_is_dropped_as_well(house: ToyHouse) -> None:
    house.vision.trackers.drop(grant(house))

    await until(lambda: house.entries() == [ONE_WORKER])


async def test_trackers_are_spread_over_the_workers(house: ToyHouse, tmp_path: Path) -> None:
    await house.second_worker(tmp_path)

    trackers = [grant(house) for _ in range(4)]

    pids = [tracker.pid for tracker in trackers]
    assert {pid: pids.count(pid) for pid in house.pids} == dict.fromkeys(house.pids, 2)


class TestStreamTracker:
    """The tracker that one stream has, or has not."""

    async def test_a_stream_keeps_its_tracker_from_frame_to_frame(self, house: ToyHouse) -> None:
        stream = house.vision.trackers.open()

        first = stream.current(Toes, ToyParams())
        second = stream.current(Toes, ToyParams())

        assert first is second is not None
        stream.close()
        stream.close()
        await until(lambda: house.entries() == [ONE_WORKER])

    async def test_at_high_it_is_taken_back_and_the_stream_goes_on_with_the_shared_model(self, house: ToyHouse) -> None:
        stream = house.vision.trackers.open()
        before = stream.current(Toes, ToyParams())
        await house.analyze(Toes, tracker=before)

        house.at(HIGH)
        at_high = stream.current(Toes, ToyParams())
        reply = await house.analyze(Toes, tracker=at_high)
        await until(lambda: house.entries() == [ONE_WORKER])

        assert before is not None
        assert at_high is None
        assert reply.head["trackers"] == []
        assert house.vision.trackers.count == 0

        house.at(LOW)
        house.clock.now += 10
        assert stream.current(Toes, ToyParams()) is not None
        stream.close()

    async def test_who_got_none_asks_again_after_a_while(self, house: ToyHouse) -> None:
        house.at(MODERATE)
        stream = house.vision.trackers.open()
        assert stream.current(Toes, ToyParams()) is None
        house.at(LOW)

        at_once = stream.current(Toes, ToyParams())
        house.clock.now += 2
        later = stream.current(Toes, ToyParams())

        assert at_once is None
        assert later is not None
        stream.close()

    async def test_other_parameters_need_another_tracker(self, house: ToyHouse) -> None:
        stream = house.vision.trackers.open()
        first = stream.current(Toes, ToyParams(count=1))
        assert first is not None
        house.clock.now += 10

        second = stream.current(Toes, ToyParams(count=2))

        assert second is not None
        assert second.id != first.id
        assert second.params == {"count": 2}
        await until(lambda: house.entries() == [ONE_WORKER + Toes.tracker_bytes])
        stream.close()

    async def test_it_moves_where_another_worker_has_far_fewer(self, house: ToyHouse, tmp_path: Path) -> None:
        streams = [house.vision.trackers.open() for _ in range(2)]
        trackers = [stream.current(Toes, ToyParams()) for stream in streams]
        await house.second_worker(tmp_path)
        house.clock.now += 10

        moved = [stream.current(Toes, ToyParams()) for stream in streams]

        assert [tracker.pid for tracker in trackers if tracker is not None] == [house.pids[0]] * 2 or len(
            {tracker.pid for tracker in trackers if tracker is not None}
        ) == 1
        assert {tracker.pid for tracker in moved if tracker is not None} == set(house.pids)
        for stream in streams:
            stream.close()
        await until(lambda: house.vision.trackers.count == 0)

    async def test_one_more_on_one_side_is_no_reason_to_move(self, house: ToyHouse, tmp_path: Path) -> None:
        await house.second_worker(tmp_path)
        streams = [house.vision.trackers.open() for _ in range(3)]
        before = [stream.current(Toes, ToyParams()) for stream in streams]
        house.clock.now += 10

        assert [stream.current(Toes, ToyParams()) for stream in streams] == before
        for stream in streams:
            stream.close()

    async def test_when_its_worker_is_gone_the_stream_gets_another(self, house: ToyHouse) -> None:
        stream = house.vision.trackers.open()
        first = stream.current(Toes, ToyParams())
        assert first is not None
        await house.analyze(Toes, tracker=first)
        os.kill(first.pid, signal.SIGKILL)
        await until(lambda: house.vision.pool.statistics.died == 1)
        assert house.entries() == []

        without = stream.current(Toes, ToyParams())
        await house.analyze(Toes, tracker=without)  # the shared model brings a worker back
        house.clock.now += 10
        second = stream.current(Toes, ToyParams())

        assert without is None
        assert second is not None
        assert second.pid == house.pids[0]
        assert house.vision.trackers.count == 1
        stream.close()
        await until(lambda: house.entries() == [ONE_WORKER])


async def test_a_frame_whose_worker_dies_on_it_is_answered_all_the_same(house: ToyHouse, tmp_path: Path) -> None:
    tracker = grant(house)
    await house.analyze(Toes, tracker=tracker)

    reply = await house.analyze(Toes, f"die {tmp_path / 'once'}", tracker)

    assert reply.pid != tracker.pid
    assert house.entries() == [WORKER_BYTES + MODEL_BYTES] or house.entries() == [WORKER_BYTES]


async def test_what_a_tracker_is_promised_is_kept_for_it_until_it_is_loaded(house: ToyHouse) -> None:
    (pid,) = house.pids
    holder = house.accounts._accounts[pid].holder
    assert holder is not None
    holder._holder.since -= 60  # a worker that has been up for a while, and has all that it was promised
    house.see(pid, ONE_WORKER)

    grant(house)
    house.see(pid, ONE_WORKER)

    assert house.entries() == [ONE_WORKER + Toes.tracker_bytes]


async def test_a_tracker_that_came_up_in_another_worker_after_a_death_is_not_left_there(
    house: ToyHouse, tmp_path: Path
) -> None:
    stream = house.vision.trackers.open()
    tracker = stream.current(Toes, ToyParams())
    await house.analyze(Toes, tracker=tracker)
    await house.analyze(Toes, f"die {tmp_path / 'once'}", tracker)

    stream.current(Toes, ToyParams())  # the next frame
    stream.close()
    await until(lambda: house.vision.trackers.count == 0)

    assert await living(house) == set()
