"""Vision under the governor: models are loaded once, and every worker's bytes stand in the ledger."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from app.bootstrap import House, open_house
from app.domain.priority import Priority
from app.domain.units import GIB
from app.errors import InvalidMedia, ModelMissing, NotFound
from app.media.pictures import LivePicture
from app.settings import MemorySettings, ModelSettings, Settings, StorageSettings, VisionSettings
from app.vision.accounts import WORKER_BYTES
from app.vision.analysis import AnalysisRequest
from app.vision.result import AnalysisResult
from app.vision.vision import ModelState
from tests.leaks import Leaks
from tests.media_files import photo
from tests.samples import png
from tests.workers.pools import until


def _settings(folder: Path, models: Path, sample_seconds: float = 3600, **vision: Any) -> Settings:
    """Return settings with which the governor leaves the ledger alone: it would correct it after some seconds."""
    return Settings(
        memory=MemorySettings(limit=8 * GIB, sample_seconds=sample_seconds, fast_sample_seconds=sample_seconds),
        storage=StorageSettings(root=folder / "var"),
        models=ModelSettings(dir=models),
        vision=VisionSettings(**vision),
    )


@pytest.fixture
async def house(tmp_path: Path, models_folder: Path, leaks: Leaks) -> AsyncIterator[House]:
    """Services with two workers at most; when they are closed nothing is reserved."""
    async with open_house(_settings(tmp_path, models_folder, workers=2)) as opened:
        leaks.watch(opened.core.governor.budget)
        yield opened


async def _analyze(house: House, task: str, picture: bytes, **params: object) -> AnalysisResult:
    kind = house.vision.vision.task(task)
    live = LivePicture(picture, house.core.governor.budget, Priority.REQUEST, "tester")
    return await house.vision.analysis.analyze(AnalysisRequest(kind, kind.Params(**params), "tester"), live)


def _states(house: House) -> dict[str, ModelState]:
    return {status.task: status.state for status in house.vision.vision.statuses()}


def _worker_bytes(house: House) -> int:
    """Return what is reserved for workers and their models."""
    holders = house.core.governor.budget.statistics().holders
    return sum(holder.reserved_bytes for holder in holders if holder.owner == "worker:vision")


async def test_a_task_that_does_not_exist_is_not_found(tmp_path: Path) -> None:
    async with open_house(_settings(tmp_path, tmp_path)) as house:
        with pytest.raises(NotFound, match="hands"):
            house.vision.vision.task("feet")


async def test_a_missing_bundle_is_told_and_starts_nothing(tmp_path: Path) -> None:
    async with open_house(_settings(tmp_path, tmp_path / "nothing")) as house:
        states = set(_states(house).values())

        with pytest.raises(ModelMissing) as missing:
            await _analyze(house, "hands", png(64, 64))

        assert house.vision.vision.pool.statistics.started == 0
    assert states == {ModelState.MISSING}
    assert "hand_landmarker.task" in missing.value.detail
    assert str(tmp_path) not in missing.value.detail


@pytest.mark.model("hand_landmarker.task", "gesture_recognizer.task")
@pytest.mark.photo
class TestWithModels:
    async def test_a_model_is_unloaded_until_it_is_used(self, house: House) -> None:
        before = _states(house)["hands"]

        result = await _analyze(house, "hands", photo("thumb_up.jpg").read())

        (status,) = [status for status in house.vision.vision.statuses() if status.task == "hands"]
        assert before is ModelState.UNLOADED
        assert status.state is ModelState.READY
        assert status.resident_bytes > 0
        assert status.idle_seconds is not None
        assert len(json.loads(result.payload)) == 1

    async def test_many_first_calls_load_one_model_and_reserve_it_once(self, house: House) -> None:
        picture = photo("thumb_up.jpg").read()
        hands = house.vision.vision.task("hands")

        results = await asyncio.gather(*(_analyze(house, "hands", picture) for _ in range(6)))

        assert len({result.payload for result in results}) == 1
        assert _worker_bytes(house) <= 2 * (WORKER_BYTES + hands.model_bytes)
        assert _worker_bytes(house) >= WORKER_BYTES + hands.model_bytes

    async def test_the_worker_and_its_model_stay_in_the_ledger(self, house: House) -> None:
        await _analyze(house, "hands", photo("thumb_up.jpg").read())
        await _analyze(house, "hands", photo("thumb_up.jpg").read())

        assert _worker_bytes(house) == WORKER_BYTES + house.vision.vision.task("hands").model_bytes

    async def test_a_second_task_adds_an_instance(self, house: House) -> None:
        await _analyze(house, "hands", photo("thumb_up.jpg").read())
        await _analyze(house, "gestures", photo("thumb_up.jpg").read())

        tasks = house.vision.vision.tasks
        expected = WORKER_BYTES + tasks["hands"].model_bytes + tasks["gestures"].instance_bytes
        assert _worker_bytes(house) == expected

    async def test_hands_need_no_bytes_where_gestures_are_loaded(self, house: House) -> None:
        await _analyze(house, "gestures", photo("thumb_up.jpg").read())
        await _analyze(house, "hands", photo("thumb_up.jpg").read())

        assert _worker_bytes(house) == WORKER_BYTES + house.vision.vision.task("gestures").model_bytes
        assert _states(house)["hands"] is not ModelState.MISSING

    async def test_hands_with_other_parameters_than_the_loaded_gestures_are_reserved(self, house: House) -> None:
        await _analyze(house, "gestures", photo("thumb_up.jpg").read())
        await _analyze(house, "hands", photo("thumb_up.jpg").read(), max_hands=1)

        tasks = house.vision.vision.tasks
        expected = WORKER_BYTES + tasks["gestures"].model_bytes + tasks["hands"].instance_bytes
        assert _worker_bytes(house) == expected

    async def test_a_worker_whose_first_picture_is_broken_is_in_the_ledger_all_the_same(self, house: House) -> None:
        whole = photo("thumb_up.jpg").read()
        with pytest.raises(InvalidMedia):
            await _analyze(house, "hands", whole[: len(whole) // 2])

        await _analyze(house, "hands", whole)

        assert _worker_bytes(house) == WORKER_BYTES + house.vision.vision.task("hands").model_bytes

    async def test_a_worker_that_only_saw_a_broken_picture_is_in_the_ledger(self, house: House) -> None:
        whole = photo("thumb_up.jpg").read()

        with pytest.raises(InvalidMedia):
            await _analyze(house, "hands", whole[: len(whole) // 2])

        assert len(house.vision.vision.pool.workers) == 1
        assert _worker_bytes(house) == WORKER_BYTES

    async def test_two_tasks_used_first_at_once_do_not_reserve_more_than_their_workers_have(self, house: House) -> None:
        picture = photo("thumb_up.jpg").read()
        tasks = house.vision.vision.tasks

        await asyncio.gather(_analyze(house, "hands", picture), _analyze(house, "gestures", picture))

        workers = house.vision.vision.pool.crew.size  # one may be starting, with its bytes taken
        models = tasks["hands"].model_bytes + tasks["gestures"].model_bytes
        assert _worker_bytes(house) <= workers * WORKER_BYTES + models

    async def test_the_bytes_of_a_worker_come_back_when_it_dies(self, house: House) -> None:
        await _analyze(house, "hands", photo("thumb_up.jpg").read())
        (worker,) = house.vision.vision.pool.workers

        os.kill(worker.pid, signal.SIGKILL)
        await until(lambda: house.vision.vision.pool.statistics.died == 1)

        assert _worker_bytes(house) == 0
        assert _states(house)["hands"] is ModelState.UNLOADED

    async def test_the_next_picture_after_a_death_is_answered_and_reserved_anew(self, house: House) -> None:
        picture = photo("thumb_up.jpg").read()
        await _analyze(house, "hands", picture)
        (worker,) = house.vision.vision.pool.workers
        os.kill(worker.pid, signal.SIGKILL)

        result = await _analyze(house, "hands", picture)

        assert len(json.loads(result.payload)) == 1
        assert _worker_bytes(house) >= WORKER_BYTES

    async def test_an_idle_worker_goes_and_takes_its_reservation_along(
        self, tmp_path: Path, models_folder: Path, leaks: Leaks
    ) -> None:
        async with open_house(_settings(tmp_path, models_folder, idle_seconds=0.2)) as house:
            leaks.watch(house.core.governor.budget)
            await _analyze(house, "hands", photo("thumb_up.jpg").read())

            await until(lambda: not house.vision.vision.pool.workers and _worker_bytes(house) == 0)

            assert _states(house)["hands"] is ModelState.UNLOADED

    async def test_the_worker_cannot_reach_the_network(self, house: House) -> None:
        await _analyze(house, "hands", photo("thumb_up.jpg").read())

        assert house.vision.vision.sandbox()["network"] is False

    @pytest.mark.model
    async def test_a_worker_is_not_replaced_for_the_model_that_it_was_just_asked_to_load(
        self, tmp_path: Path, models_folder: Path, leaks: Leaks
    ) -> None:
        async with open_house(_settings(tmp_path, models_folder, sample_seconds=0.25, workers=2)) as house:
            leaks.watch(house.core.governor.budget)
            for task in ("hands", "pose", "hands", "pose"):
                await _analyze(house, task, photo("business_person.png").read())

            assert house.vision.vision.pool.statistics.recycled == 0
            assert house.vision.vision.pool.statistics.started == 1
