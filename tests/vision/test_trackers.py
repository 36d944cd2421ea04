"""Trackers: a child of its own for one stream, granted and taken back with the pressure."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.domain.priority import Priority
from app.domain.units import MIB
from app.vision.model_key import ModelKey
from app.vision.trackers import StreamTracker, Tracker
from tests.leaks import Leaks
from tests.vision.toys import HIGH, LOW, MODERATE, Noses, Toes, ToyHouse, open_toys
from tests.workers.pools import until


@pytest.fixture
async def house(tmp_path: Path, leaks: Leaks) -> AsyncIterator[ToyHouse]:
    async with open_toys(tmp_path, watch=leaks.watch) as opened:
        yield opened


async def granted(house: ToyHouse, stream: StreamTracker, key: ModelKey | None = None) -> Tracker:
    """Ask as a stream does with its frames, until its tracker is there."""
    key = key or house.key()
    await until(lambda: stream.current(key) is not None)
    tracker = stream.current(key)
    assert tracker is not None
    return tracker


async def test_a_tracker_is_a_child_of_its_own_beside_the_shared_model(house: ToyHouse) -> None:
    stream = house.vision.trackers.open()
    shared = await house.analyze()

    tracker = await granted(house, stream)
    tracked = await house.analyze(tracker=tracker)

    assert tracked.pid != shared.pid
    assert tracked.head["options"]["tracker"] is True
    assert house.loaded == ["model:toes", "tracker:toes"]
    assert house.entries() == {"model:toes": Toes.model_bytes, "tracker:toes": Toes.tracker_bytes}
    stream.close()


async def test_the_stream_goes_on_with_the_shared_model_until_its_tracker_is_loaded(
    house: ToyHouse, tmp_path: Path
) -> None:
    await house.analyze()
    (tmp_path / "slow").touch()
    stream = house.vision.trackers.open()

    first = stream.current(house.key())
    await until((tmp_path / "slow.begun").exists)
    second = stream.current(house.key())
    (tmp_path / "slow.release").touch()

    assert first is second is None
    assert await granted(house, stream) is not None
    assert house.vision.trackers.count == 1
    stream.close()


async def test_timestamps_rise_from_frame_to_frame(house: ToyHouse) -> None:
    stream = house.vision.trackers.open()
    tracker = await granted(house, stream)

    for _ in range(3):
        await house.analyze(tracker=tracker)  # the child asserts that they do

    stream.close()


async def test_closing_the_stream_ends_its_child_and_gives_its_bytes_back(house: ToyHouse) -> None:
    stream = house.vision.trackers.open()
    await granted(house, stream)

    stream.close()
    stream.close()  # once is enough
    await until(lambda: house.entries() == {})

    assert house.pids == []
    assert house.vision.trackers.count == 0


async def test_one_that_is_dropped_while_it_is_loaded_leaves_nothing(house: ToyHouse, tmp_path: Path) -> None:
    (tmp_path / "slow").touch()
    stream = house.vision.trackers.open()
    stream.current(house.key())
    await until((tmp_path / "slow.begun").exists)

    stream.close()
    await until(lambda: house.entries() == {})

    assert list(house.vision.models) == []


async def test_one_that_is_dropped_while_its_first_frame_is_on_its_way_leaves_nothing(
    house: ToyHouse, tmp_path: Path
) -> None:
    stream = house.vision.trackers.open()
    tracker = await granted(house, stream)
    work = asyncio.create_task(house.analyze(picture=f"hold {tmp_path / 'held'}", tracker=tracker))
    await until((tmp_path / "held.begun").exists)

    stream.close()
    await asyncio.gather(work, return_exceptions=True)
    await until(lambda: house.entries() == {})

    assert list(house.vision.models) == []


async def test_above_low_none_is_granted(house: ToyHouse) -> None:
    house.at(MODERATE)
    stream = house.vision.trackers.open()

    assert stream.current(house.key()) is None
    assert house.vision.trackers.count == 0


async def test_a_task_without_trackers_gets_none(house: ToyHouse) -> None:
    stream = house.vision.trackers.open()

    assert stream.current(house.key(Noses)) is None
    assert house.vision.trackers.count == 0


async def test_one_that_would_leave_too_little_for_pictures_is_not_granted(house: ToyHouse) -> None:
    budget = house.governor.budget
    nearly = budget.try_reserve(
        {"x": budget.free_bytes - Toes.tracker_bytes - MIB}, owner="other", priority=Priority.LIVE
    )
    assert nearly is not None
    stream = house.vision.trackers.open()

    without = stream.current(house.key())
    nearly.release()
    house.clock.now += 10

    assert without is None
    assert await granted(house, stream)
    stream.close()


async def test_at_high_it_is_taken_back_and_the_stream_goes_on_with_the_shared_model(house: ToyHouse) -> None:
    stream = house.vision.trackers.open()
    tracker = await granted(house, stream)
    await house.analyze(tracker=tracker)

    house.at(HIGH)
    at_high = stream.current(house.key())
    reply = await house.analyze(tracker=at_high)
    await until(lambda: house.vision.trackers.count == 0)

    assert at_high is None
    assert reply.head["options"]["tracker"] is False

    house.at(LOW)
    house.clock.now += 10
    assert await granted(house, stream)
    stream.close()


async def test_a_frame_that_was_on_its_way_to_a_tracker_that_left_is_answered_by_the_shared_model(
    house: ToyHouse,
) -> None:
    stream = house.vision.trackers.open()
    tracker = await granted(house, stream)
    house.vision.eviction.make_room(None)

    reply = await house.analyze(tracker=tracker)

    assert reply.head["options"]["tracker"] is False
    stream.close()


async def test_who_got_none_asks_again_after_a_while(house: ToyHouse) -> None:
    house.at(MODERATE)
    stream = house.vision.trackers.open()
    stream.current(house.key())
    house.at(LOW)

    stream.current(house.key())
    at_once = house.vision.trackers.count
    house.clock.now += 2
    stream.current(house.key())
    later = house.vision.trackers.count

    assert (at_once, later) == (0, 1)
    stream.close()


async def test_other_parameters_need_another_tracker(house: ToyHouse) -> None:
    stream = house.vision.trackers.open()
    first = await granted(house, stream)
    house.clock.now += 10

    second = await granted(house, stream, house.key(count=2))

    assert second.key.params.count == 2
    assert second is not first
    await until(lambda: house.vision.trackers.count == 1)
    stream.close()


async def test_each_stream_has_its_own(house: ToyHouse) -> None:
    streams = [house.vision.trackers.open() for _ in range(2)]

    trackers = [await granted(house, stream) for stream in streams]

    assert len({tracker.model.pool.children[0].pid for tracker in trackers}) == 2
    for stream in streams:
        stream.close()


async def test_when_its_child_is_gone_the_stream_gets_another(house: ToyHouse) -> None:
    stream = house.vision.trackers.open()
    first = await granted(house, stream)
    (child,) = first.model.pool.children

    os.kill(child.pid, signal.SIGKILL)
    await until(lambda: not first.is_alive)
    without = stream.current(house.key())
    house.clock.now += 10
    second = await granted(house, stream)

    assert without is None
    assert second is not first
    stream.close()


async def test_a_frame_whose_child_dies_on_it_is_answered_all_the_same(house: ToyHouse, tmp_path: Path) -> None:
    stream = house.vision.trackers.open()
    tracker = await granted(house, stream)
    (child,) = tracker.model.pool.children

    reply = await house.analyze(picture=f"die {tmp_path / 'once'}", tracker=tracker)

    assert reply.pid != child.pid
    assert house.entries() == {"tracker:toes": Toes.tracker_bytes}
    stream.close()


async def test_a_tracker_that_cannot_be_loaded_costs_the_stream_nothing(
    house: ToyHouse, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await house.analyze()
    (tmp_path / "broken").touch()
    stream = house.vision.trackers.open()
    stream.current(house.key())

    await until(lambda: house.vision.trackers.count == 0)
    reply = await house.analyze(tracker=stream.current(house.key()))

    assert reply.head["options"]["tracker"] is False
    assert "could not be loaded" in caplog.text
    stream.close()
