"""Which model files there are, and what counts as installed."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from app.errors import ModelMissing
from app.models.assets import FileState, Manifest, ModelAssets, load_manifest
from app.vision.task import vision_tasks
from tests.models.model_sources import package_member, sha256

CONTENT = b"a model" * 100
NAME = "hand_landmarker.task"


def manifest_of(*models: dict[str, object]) -> Manifest:
    return Manifest.model_validate({"official": "http://localhost/", "models": models})


def model(name: str = NAME, **changes: object) -> dict[str, object]:
    accepted = [{"sha256": sha256(CONTENT), "size_bytes": len(CONTENT), "origin": "official"}]
    return {"name": name, "path": f"x/{name}", "accepted": accepted, "fallback": package_member()} | changes


@pytest.fixture
def assets(tmp_path: Path) -> ModelAssets:
    return ModelAssets(tmp_path, manifest_of(model()))


def test_the_manifest_that_comes_with_ballast_installs_every_task_by_default() -> None:
    defaults = {entry.name for entry in load_manifest().defaults()}

    assert defaults == {task.asset for task in vision_tasks().values()}


def test_the_larger_pose_model_is_optional() -> None:
    assert not load_manifest()["pose_landmarker_full.task"].default


def test_an_installed_file_is_found_by_its_absolute_path(assets: ModelAssets) -> None:
    (assets.folder / NAME).write_bytes(CONTENT)

    path = assets.path(NAME)

    assert path.is_absolute()
    assert path.read_bytes() == CONTENT


def test_a_missing_file_is_answered_with_the_command_that_gets_it_and_no_host_path(assets: ModelAssets) -> None:
    with pytest.raises(ModelMissing) as caught:
        assets.path(NAME)

    assert f"ballast models {NAME}" in caught.value.detail
    assert str(assets.folder) not in caught.value.detail
    assert not assets.present(NAME)


def test_a_file_of_another_size_is_not_present(assets: ModelAssets) -> None:
    (assets.folder / NAME).write_bytes(CONTENT[:-1])

    assert not assets.present(NAME)
    with pytest.raises(ModelMissing):
        assets.path(NAME)


def test_a_folder_in_the_place_of_a_file_is_not_present(assets: ModelAssets) -> None:
    (assets.folder / NAME).mkdir()

    assert not assets.present(NAME)
    assert assets.verify(NAME).state is FileState.DAMAGED


def test_verifying_tells_installed_missing_and_damaged_apart(assets: ModelAssets) -> None:
    before = assets.verify(NAME)
    (assets.folder / NAME).write_bytes(CONTENT[::-1])
    damaged = assets.verify(NAME)
    (assets.folder / NAME).write_bytes(CONTENT)
    installed = assets.verify(NAME)

    assert [found.state for found in (before, damaged, installed)] == ["missing", "damaged", "installed"]
    assert installed.content is not None
    assert installed.content.origin == "official"


def test_an_unknown_name_is_a_mistake_of_the_caller(assets: ModelAssets) -> None:
    with pytest.raises(KeyError, match="known are hand_landmarker"):
        assets.present("nothing.task")


@pytest.mark.parametrize(
    ("models", "reason"),
    [
        ([model(), model()], "listed twice"),
        ([model(fallback=None)], "valid dictionary"),
        ([model(fallback=package_member(package="--upgrade==1.0"))], "String should match"),
        ([model(fallback=package_member(members=[]))], "at least 1 item"),
        ([model("../a.task")], "String should match"),
        ([model(accepted=[])], "at least 1 item"),
    ],
)
def test_a_manifest_that_contradicts_itself_is_refused(models: list[dict[str, object]], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        manifest_of(*models)
