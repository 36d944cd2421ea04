"""Vision with real models: loaded by the first who needs them, answered for, and gone with their bytes."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from app.bootstrap import House, open_house
from app.domain.priority import Priority
from app.domain.units import GIB, MIB
from app.errors import InvalidMedia, ModelMissing, NotFound
from app.media.live_picture import LivePicture
from app.memory.customer import Customer
from app.settings import MemorySettings, ModelSettings, Settings, StorageSettings, VisionSettings
from app.vision.analysis import AnalysisRequest
from app.vision.result import AnalysisResult
from app.vision.vision import ModelState, ModelStatus
from tests.leaks import Leaks
from tests.media_files import photo
from tests.samples import png
from tests.workers.pools import until


def _settings(folder: Path, models: Path, **vision: Any) -> Settings:
    """Return settings under which the governor measures only when it is told to."""
    return Settings(
        memory=MemorySettings(limit=8 * GIB, sample_seconds=3600, fast_sample_seconds=3600),
        storage=StorageSettings(root=folder / "var"),
        models=ModelSettings(dir=models),
        vision=VisionSettings(**vision),
    )


@pytest.fixture
async def house(tmp_path: Path, models_folder: Path, leaks: Leaks) -> AsyncIterator[House]:
    """Services with one child a model; when they are closed nothing is reserved."""
    async with open_house(_settings(tmp_path, models_folder, workers=1)) as opened:
        leaks.watch(opened.core.governor.budget)
        yield opened


async def _analyze(house: House, task: str, picture: bytes, **params: object) -> AnalysisResult:
    kind = house.vision.vision.task(task)
    live = LivePicture(picture, None, house.vision.pictures, Customer(Priority.REQUEST, "tester", 10))
    return await house.vision.analysis.analyze(AnalysisRequest(kind, kind.Params(**params), "tester"), live)


def _hand() -> bytes:
    return photo("thumb_up.jpg").read()


def _status(house: House, task: str) -> ModelStatus:
    (status,) = [status for status in house.vision.vision.statuses() if status.task == task]
    return status


def _entries(house: House) -> dict[str, int]:
    """Return what is reserved for the children and the zygote, by owner."""
    entries: Counter[str] = Counter()
    for holder in house.core.governor.budget.statistics().holders:
        if holder.owner.startswith(("model:", "tracker:", "zygote")):
            entries[holder.owner] += holder.reserved_bytes
    return dict(entries)


def _pids(house: House) -> list[int]:
    return [worker.pid for model in house.vision.vision.models for worker in model.pool.children]


def _parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


async def test_a_task_that_does_not_exist_is_not_found(tmp_path: Path) -> None:
    async with open_house(_settings(tmp_path, tmp_path)) as house:
        with pytest.raises(NotFound, match="hands"):
            house.vision.vision.task("feet")


async def test_a_missing_bundle_is_told_and_starts_nothing(tmp_path: Path) -> None:
    async with open_house(_settings(tmp_path, tmp_path / "nothing")) as house:
        states = {status.state for status in house.vision.vision.statuses()}

        with pytest.raises(ModelMissing) as missing:
            await _analyze(house, "hands", png(64, 64))

        assert house.vision.vision.models.counters.started == 0
        assert _entries(house) == {}
    assert states == {ModelState.MISSING}
    assert "hand_landmarker.task" in missing.value.detail
    assert str(tmp_path) not in missing.value.detail


@pytest.mark.model("hand_landmarker.task", "gesture_recognizer.task")
@pytest.mark.photo
class TestWithModels:
    async def test_a_model_is_unloaded_until_it_is_used(self, house: House) -> None:
        before = _status(house, "hands")

        result = await _analyze(house, "hands", _hand())
        house.core.governor.measure()

        after = _status(house, "hands")
        assert (before.state, before.resident_bytes, before.idle_seconds) == (ModelState.UNLOADED, 0, None)
        assert after.state is ModelState.READY
        assert after.resident_bytes > 0
        assert after.idle_seconds is not None
        assert len(json.loads(result.payload)) == 1

    async def test_it_is_loading_as_long_as_its_first_caller_waits(self, house: House) -> None:
        budget = house.core.governor.budget
        taken = budget.try_reserve({"x": budget.free_bytes}, owner="other", priority=Priority.LIVE)
        assert taken is not None
        first = asyncio.create_task(_analyze(house, "hands", _hand()))
        await until(lambda: budget.statistics().waiting == 1)

        during = _status(house, "hands")
        taken.release()
        await first

        assert (during.state, during.resident_bytes) == (ModelState.LOADING, 0)

    async def test_many_first_calls_load_one_model_and_reserve_it_once(self, house: House) -> None:
        picture = _hand()

        results = await asyncio.gather(*(_analyze(house, "hands", picture) for _ in range(6)))

        assert len({result.payload for result in results}) == 1
        assert house.vision.vision.models.counters.started == 1
        assert _entries(house).keys() == {"model:hands", "zygote"}
        assert _entries(house)["model:hands"] < 2 * house.vision.vision.task("hands").model_bytes

    async def test_a_child_stands_in_the_ledger_with_what_the_kernel_says(self, house: House) -> None:
        await _analyze(house, "hands", _hand())
        house.core.governor.measure()
        await _analyze(house, "hands", _hand())  # after a call the entry follows the last sample

        (pid,) = _pids(house)
        resident_bytes = house.core.governor.resident_now(pid)

        assert _entries(house)["model:hands"] == pytest.approx(resident_bytes, abs=4 * MIB)

    async def test_each_task_has_a_child_and_an_entry_of_its_own(self, house: House) -> None:
        await _analyze(house, "hands", _hand())
        await _analyze(house, "gestures", _hand())

        assert _entries(house).keys() == {"model:hands", "model:gestures", "zygote"}
        assert len(_pids(house)) == 2

    async def test_hands_need_no_child_where_gestures_are_loaded(self, house: House) -> None:
        await _analyze(house, "gestures", _hand())

        result = await _analyze(house, "hands", _hand())

        assert _entries(house).keys() == {"model:gestures", "zygote"}
        assert result.task == "hands"
        assert "gesture" not in json.loads(result.payload)[0]
        assert _status(house, "hands").state is ModelState.READY

    async def test_hands_with_other_parameters_than_the_loaded_gestures_have_a_child(self, house: House) -> None:
        await _analyze(house, "gestures", _hand())

        await _analyze(house, "hands", _hand(), max_hands=1)

        assert _entries(house).keys() == {"model:hands", "model:gestures", "zygote"}

    async def test_a_model_whose_first_picture_is_broken_stays_and_serves_the_next(self, house: House) -> None:
        whole = _hand()
        with pytest.raises(InvalidMedia):
            await _analyze(house, "hands", whole[: len(whole) // 2])
        after_the_broken = _pids(house), set(_entries(house))

        await _analyze(house, "hands", whole)

        assert after_the_broken == (_pids(house), {"model:hands", "zygote"})
        assert house.vision.vision.models.counters.started == 1

    async def test_the_bytes_of_a_child_come_back_when_it_dies(self, house: House) -> None:
        await _analyze(house, "hands", _hand())
        (pid,) = _pids(house)

        os.kill(pid, signal.SIGKILL)
        await until(lambda: _entries(house).keys() == {"zygote"})

        assert house.vision.vision.models.counters.died == 1
        assert _status(house, "hands").state is ModelState.UNLOADED

    async def test_the_next_picture_after_a_death_is_answered_and_reserved_anew(self, house: House) -> None:
        await _analyze(house, "hands", _hand())
        (pid,) = _pids(house)
        os.kill(pid, signal.SIGKILL)  # the next call may be sent before anybody has heard of it

        result = await _analyze(house, "hands", _hand())

        assert len(json.loads(result.payload)) == 1
        assert _pids(house) != [pid]
        assert _entries(house).keys() == {"model:hands", "zygote"}

    async def test_with_the_zygote_all_children_go_and_the_next_picture_is_answered(self, house: House) -> None:
        await _analyze(house, "hands", _hand())
        (pid,) = _pids(house)

        os.kill(_parent_of(pid), signal.SIGKILL)
        await until(lambda: _entries(house) == {})
        result = await _analyze(house, "hands", _hand())

        assert len(json.loads(result.payload)) == 1
        assert _entries(house).keys() == {"model:hands", "zygote"}

    async def test_an_idle_child_goes_and_takes_its_reservation_along(
        self, tmp_path: Path, models_folder: Path, leaks: Leaks
    ) -> None:
        async with open_house(_settings(tmp_path, models_folder, idle_seconds=0.2)) as house:
            leaks.watch(house.core.governor.budget)
            await _analyze(house, "hands", _hand())

            await until(lambda: _entries(house).keys() == {"zygote"})

            assert _pids(house) == []
            assert _status(house, "hands").state is ModelState.UNLOADED

    async def test_what_a_child_took_is_known_to_the_next_service(self, tmp_path: Path, models_folder: Path) -> None:
        async with open_house(_settings(tmp_path, models_folder)) as house:
            await _analyze(house, "hands", _hand())
            (pid,) = _pids(house)
            taken_bytes = house.core.governor.resident_now(pid)

        async with open_house(_settings(tmp_path, models_folder)) as house:
            vision = house.vision.vision
            kind = vision.task("hands")
            expected_bytes = vision.held_bytes(vision.key(kind, kind.Params()))

        assert expected_bytes == pytest.approx(taken_bytes, rel=0.3)

    async def test_a_child_cannot_reach_the_network(self, house: House) -> None:
        await _analyze(house, "hands", _hand())

        assert house.vision.vision.sandbox()["network"] is False
