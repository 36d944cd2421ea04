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

from app.bootstrap import open_services
from app.domain.priority import Priority
from app.domain.units import GIB
from app.errors import InvalidMedia, ModelMissing, NotFound
from app.media.pictures import LivePicture
from app.services import Services
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
async def services(tmp_path: Path, models_folder: Path, leaks: Leaks) -> AsyncIterator[Services]:
    """Services with two workers at most; when they are closed nothing is reserved."""
    async with open_services(_settings(tmp_path, models_folder, workers=2)) as opened:
        leaks.watch(opened.governor.budget)
        yield opened


async def _analyze(services: Services, task: str, picture: bytes, **params: object) -> AnalysisResult:
    kind = services.vision.task(task)
    live = LivePicture(picture, services.governor.budget, Priority.REQUEST, "tester")
    return await services.analysis.analyze(AnalysisRequest(kind, kind.Params(**params), "tester"), live)


def _states(services: Services) -> dict[str, ModelState]:
    return {status.task: status.state for status in services.vision.statuses()}


def _worker_bytes(services: Services) -> int:
    """Return what is reserved for workers and their models."""
    holders = services.governor.budget.statistics().holders
    return sum(holder.reserved_bytes for holder in holders if holder.owner == "worker:vision")


async def test_a_task_that_does_not_exist_is_not_found(tmp_path: Path) -> None:
    async with open_services(_settings(tmp_path, tmp_path)) as services:
        with pytest.raises(NotFound, match="hands"):
            services.vision.task("feet")


async def test_a_missing_bundle_is_told_and_starts_nothing(tmp_path: Path) -> None:
    async with open_services(_settings(tmp_path, tmp_path / "nothing")) as services:
        states = set(_states(services).values())

        with pytest.raises(ModelMissing) as missing:
            await _analyze(services, "hands", png(64, 64))

        assert services.vision.pool.statistics.started == 0
    assert states == {ModelState.MISSING}
    assert "hand_landmarker.task" in missing.value.detail
    assert str(tmp_path) not in missing.value.detail


@pytest.mark.model("hand_landmarker.task", "gesture_recognizer.task")
@pytest.mark.photo
class TestWithModels:
    async def test_a_model_is_unloaded_until_it_is_used(self, services: Services) -> None:
        before = _states(services)["hands"]

        result = await _analyze(services, "hands", photo("thumb_up.jpg").read())

        (status,) = [status for status in services.vision.statuses() if status.task == "hands"]
        assert before is ModelState.UNLOADED
        assert status.state is ModelState.READY
        assert status.resident_bytes > 0
        assert status.idle_seconds is not None
        assert len(json.loads(result.payload)) == 1

    async def test_many_first_calls_load_one_model_and_reserve_it_once(self, services: Services) -> None:
        picture = photo("thumb_up.jpg").read()
        hands = services.vision.task("hands")

        results = await asyncio.gather(*(_analyze(services, "hands", picture) for _ in range(6)))

        assert len({result.payload for result in results}) == 1
        assert _worker_bytes(services) <= 2 * (WORKER_BYTES + hands.model_bytes)
        assert _worker_bytes(services) >= WORKER_BYTES + hands.model_bytes

    async def test_the_worker_and_its_model_stay_in_the_ledger(self, services: Services) -> None:
        await _analyze(services, "hands", photo("thumb_up.jpg").read())
        await _analyze(services, "hands", photo("thumb_up.jpg").read())

        assert _worker_bytes(services) == WORKER_BYTES + services.vision.task("hands").model_bytes

    async def test_a_second_task_adds_an_instance(self, services: Services) -> None:
        await _analyze(services, "hands", photo("thumb_up.jpg").read())
        await _analyze(services, "gestures", photo("thumb_up.jpg").read())

        tasks = services.vision.tasks
        expected = WORKER_BYTES + tasks["hands"].model_bytes + tasks["gestures"].instance_bytes
        assert _worker_bytes(services) == expected

    async def test_hands_need_no_bytes_where_gestures_are_loaded(self, services: Services) -> None:
        await _analyze(services, "gestures", photo("thumb_up.jpg").read())
        await _analyze(services, "hands", photo("thumb_up.jpg").read())

        assert _worker_bytes(services) == WORKER_BYTES + services.vision.task("gestures").model_bytes
        assert _states(services)["hands"] is not ModelState.MISSING

    async def test_hands_with_other_parameters_than_the_loaded_gestures_are_reserved(self, services: Services) -> None:
        await _analyze(services, "gestures", photo("thumb_up.jpg").read())
        await _analyze(services, "hands", photo("thumb_up.jpg").read(), max_hands=1)

        tasks = services.vision.tasks
        expected = WORKER_BYTES + tasks["gestures"].model_bytes + tasks["hands"].instance_bytes
        assert _worker_bytes(services) == expected

    async def test_a_worker_whose_first_picture_is_broken_is_in_the_ledger_all_the_same(
        self, services: Services
    ) -> None:
        whole = photo("thumb_up.jpg").read()
        with pytest.raises(InvalidMedia):
            await _analyze(services, "hands", whole[: len(whole) // 2])

        await _analyze(services, "hands", whole)

        assert _worker_bytes(services) == WORKER_BYTES + services.vision.task("hands").model_bytes

    async def test_a_worker_that_only_saw_a_broken_picture_is_in_the_ledger(self, services: Services) -> None:
        whole = photo("thumb_up.jpg").read()

        with pytest.raises(InvalidMedia):
            await _analyze(services, "hands", whole[: len(whole) // 2])

        assert len(services.vision.pool.workers) == 1
        assert _worker_bytes(services) == WORKER_BYTES

    async def test_two_tasks_used_first_at_once_do_not_reserve_more_than_their_workers_have(
        self, services: Services
    ) -> None:
        picture = photo("thumb_up.jpg").read()
        tasks = services.vision.tasks

        await asyncio.gather(_analyze(services, "hands", picture), _analyze(services, "gestures", picture))

        workers = services.vision.pool.crew.size  # one may be starting, with its bytes taken
        models = tasks["hands"].model_bytes + tasks["gestures"].model_bytes
        assert _worker_bytes(services) <= workers * WORKER_BYTES + models

    async def test_the_bytes_of_a_worker_come_back_when_it_dies(self, services: Services) -> None:
        await _analyze(services, "hands", photo("thumb_up.jpg").read())
        (worker,) = services.vision.pool.workers

        os.kill(worker.pid, signal.SIGKILL)
        await until(lambda: services.vision.pool.statistics.died == 1)

        assert _worker_bytes(services) == 0
        assert _states(services)["hands"] is ModelState.UNLOADED

    async def test_the_next_picture_after_a_death_is_answered_and_reserved_anew(self, services: Services) -> None:
        picture = photo("thumb_up.jpg").read()
        await _analyze(services, "hands", picture)
        (worker,) = services.vision.pool.workers
        os.kill(worker.pid, signal.SIGKILL)

        result = await _analyze(services, "hands", picture)

        assert len(json.loads(result.payload)) == 1
        assert _worker_bytes(services) >= WORKER_BYTES

    async def test_an_idle_worker_goes_and_takes_its_reservation_along(
        self, tmp_path: Path, models_folder: Path, leaks: Leaks
    ) -> None:
        async with open_services(_settings(tmp_path, models_folder, idle_seconds=0.2)) as services:
            leaks.watch(services.governor.budget)
            await _analyze(services, "hands", photo("thumb_up.jpg").read())

            await until(lambda: not services.vision.pool.workers and _worker_bytes(services) == 0)

            assert _states(services)["hands"] is ModelState.UNLOADED

    async def test_the_worker_cannot_reach_the_network(self, services: Services) -> None:
        await _analyze(services, "hands", photo("thumb_up.jpg").read())

        assert services.vision.sandbox()["network"] is False

    @pytest.mark.model
    async def test_a_worker_is_not_replaced_for_the_model_that_it_was_just_asked_to_load(
        self, tmp_path: Path, models_folder: Path, leaks: Leaks
    ) -> None:
        async with open_services(_settings(tmp_path, models_folder, sample_seconds=0.25, workers=2)) as services:
            leaks.watch(services.governor.budget)
            for task in ("hands", "pose", "hands", "pose"):
                await _analyze(services, task, photo("business_person.png").read())

            assert services.vision.pool.statistics.recycled == 0
            assert services.vision.pool.statistics.started == 1
