"""Fixtures for every test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from app.models.assets import ModelAssets
from app.vision.task import VisionTask, vision_tasks
from tests.absent import cannot_run
from tests.jobs.postgres import postgres_server  # noqa: F401 - a fixture
from tests.leaks import Leaks
from tests.media_files import REPOSITORY, media_folder
from tests.storage.s3_server import s3  # noqa: F401 - a fixture

# Examples are never timed: a noisy machine is no fault of theirs.
settings.register_profile("ballast", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ballast")

MODELS_FOLDER = REPOSITORY / os.environ.get("BALLAST_MODELS__DIR", "models")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What is marked `stress` runs only if it is asked for (`make stress`, `-m stress`); short forms always run."""
    if "stress" in config.getoption("-m"):
        return
    heavy = [item for item in items if item.get_closest_marker("stress") is not None]
    if heavy:
        config.hook.pytest_deselected(items=heavy)
        items[:] = [item for item in items if item.get_closest_marker("stress") is None]


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what cannot run here; in continuous integration (`CI` set) that is a failure."""
    if item.get_closest_marker("photo") is not None and not media_folder().is_dir():
        cannot_run(f"there are no photos in {media_folder()}")
    if item.get_closest_marker("model") is not None and (missing := _missing_models(item)):
        cannot_run(f"not installed in {MODELS_FOLDER}: {', '.join(missing)} (make setup)")


def _missing_models(item: pytest.Item) -> list[str]:
    """Return what is not installed of the bundles that the mark names, or that the test's `task` needs, or of all."""
    marker = item.get_closest_marker("model")
    callspec = getattr(item, "callspec", None)
    task = callspec.params.get("task") if callspec is not None else None
    wanted = {one.asset for one in vision_tasks().values()}
    if marker is not None and marker.args:
        wanted = set(marker.args)
    elif isinstance(task, type) and issubclass(task, VisionTask):
        wanted = {task.asset} & wanted
    assets = ModelAssets(MODELS_FOLDER)
    return sorted(name for name in wanted if not assets.present(name))


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    return ("asyncio", {})


@pytest.fixture(autouse=True)
def leaks(request: pytest.FixtureRequest) -> Iterator[Leaks]:
    """Leaks are loud: a child, a descriptor, a temporary file or a reservation that is left fails the test.

    Temporary files are looked for below the test's `tmp_path`; budgets are those that were registered with `watch`.
    """
    storage: Path | None = request.getfixturevalue("tmp_path") if "tmp_path" in request.fixturenames else None
    before = Leaks(storage)
    yield before
    before.check()


@pytest.fixture(scope="session")
def models_folder() -> Path:
    """Where the model bundles are; tests that use it are marked `model`."""
    return MODELS_FOLDER
