"""What every vision task promises, asked of each one that is found."""

from __future__ import annotations

import dataclasses
import inspect
import io
import json
import re
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import pytest
from annotated_types import Ge, Gt, Le, Lt

from app.domain.units import GIB, MIB
from app.memory.gauge import MemoryGauge
from app.memory.limit import MemoryLimit
from app.models.assets import load_manifest
from app.vision.params import described, query_model
from app.vision.schema import DetectionSchema
from app.vision.task import VisionTask, vision_tasks
from tests.media_files import REPOSITORY, photo
from tests.vision.engines import Engines, Found, open_engines
from tests.workers.zygotes import open_zygote

TASKS = vision_tasks()

PHOTOS_SEEN = 20

every_task = pytest.mark.parametrize("task", TASKS.values(), ids=TASKS.keys())
every_task_with_a_tracker = pytest.mark.parametrize(
    "task",
    [task for task in TASKS.values() if task.tracker_bytes],
    ids=[name for name, task in TASKS.items() if task.tracker_bytes],
)


def test_the_tasks_that_are_promised_are_found() -> None:
    assert {"hands", "gestures", "face-detection", "face-landmarks", "pose", "segmentation"} <= TASKS.keys()


@every_task
def test_its_name_can_stand_in_an_address(task: type[VisionTask]) -> None:
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", task.name)
    assert task.summary.strip()
    assert "\n" not in task.summary


@every_task
def test_its_bundle_is_in_the_manifest(task: type[VisionTask]) -> None:
    assert load_manifest()[task.asset].accepted


@every_task
def test_its_sizes_are_plausible(task: type[VisionTask]) -> None:
    assert 4 * MIB <= task.model_bytes <= 400 * MIB
    assert 0 <= task.tracker_bytes <= 400 * MIB


@every_task
def test_its_tracker_is_there_if_it_has_a_size(task: type[VisionTask]) -> None:
    has_tracker = task.load_tracker.__func__ is not VisionTask.load_tracker.__func__  # type: ignore[attr-defined]

    assert has_tracker == (task.tracker_bytes > 0)


@every_task
def test_its_parameters_are_a_frozen_dataclass_with_defaults_and_bounds(task: type[VisionTask]) -> None:
    hints = get_type_hints(task.Params, include_extras=True)

    assert dataclasses.is_dataclass(task.Params)
    assert vars(task.Params)["__dataclass_params__"].frozen
    for field in dataclasses.fields(task.Params):
        assert field.default is not dataclasses.MISSING, f"{field.name} has no default"
        assert _is_bounded(hints[field.name]), f"{field.name} has no bounds"


def _is_bounded(hint: Any) -> bool:
    if get_origin(hint) is not Annotated:
        return hint is bool or get_origin(hint) is Literal
    lower = [one for one in get_args(hint) if isinstance(one, Ge | Gt)]
    upper = [one for one in get_args(hint) if isinstance(one, Le | Lt)]
    return bool(lower and upper)


@every_task
def test_its_defaults_are_within_the_bounds_and_described(task: type[VisionTask]) -> None:
    model = query_model(task)

    defaults = model.model_validate({}).model_dump()

    model.model_validate({field.alias or name: defaults[name] for name, field in model.model_fields.items()})
    assert task.Params(**defaults) == task.Params()
    assert described(task).keys() == {field.alias for field in model.model_fields.values()}
    assert all("default" in schema for schema in described(task).values())


@every_task
def test_the_task_that_serves_it_has_the_same_parameters(task: type[VisionTask]) -> None:
    if task.served_by is None:
        assert task.narrow.__func__ is VisionTask.narrow.__func__, "nobody serves it"  # type: ignore[attr-defined]
        return

    server = TASKS[task.served_by]

    assert server.served_by is None
    assert get_type_hints(server.Params, include_extras=True) == get_type_hints(task.Params, include_extras=True)


@every_task
def test_its_module_is_light(task: type[VisionTask]) -> None:
    program = f"import sys, json; import {task.__module__}; json.dump(sorted(sys.modules), sys.stdout)"

    outcome = subprocess.run(
        [sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, check=True, timeout=30
    )

    loaded = {name.partition(".")[0] for name in json.loads(outcome.stdout)}
    assert not loaded & {"mediapipe", "numpy", "PIL", "fastapi", "starlette", "cv2"}


@every_task
def test_what_it_loads_is_a_model_of_its_own(task: type[VisionTask]) -> None:
    assert not inspect.isabstract(task)
    assert task.load.__func__ is not VisionTask.load.__func__  # type: ignore[attr-defined]


@every_task
def test_what_is_left_open_is_resolved_to_an_installed_bundle(task: type[VisionTask]) -> None:
    manifest = load_manifest()

    for light in (False, True):
        resolved = task.resolve(task.Params(), light, lambda name: name == task.asset)
        assert task.bundle(resolved) == task.asset
        assert task.resolve(resolved, light, lambda _: True) == resolved
        assert manifest[task.bundle(task.resolve(task.Params(), light, lambda _: True))].accepted


@pytest.mark.model
@every_task
async def test_it_answers_a_picture_with_nothing_in_it(task: type[VisionTask], models_folder: Path) -> None:
    async with open_engines(models_folder) as engines:
        found = await engines.analyze(task.name, _plain_picture())

    assert found.detections == []


@pytest.mark.model
@pytest.mark.photo
@every_task
async def test_its_answer_is_what_the_schema_says(task: type[VisionTask], models_folder: Path) -> None:
    async with open_engines(models_folder) as engines:
        found = await engines.analyze(task.name, photo("business_person.png").read())

    assert found.detections, "the photo shows a face, a body and a hand"
    for detection in found.detections:
        read = DetectionSchema.model_validate(detection)
        assert read.model_dump(by_alias=True, exclude_none=True, mode="json") == detection
        assert all(abs(point.x) < 5 and abs(point.y) < 5 for point in read.landmarks)  # of the picture, not in pixels


@pytest.mark.model
@pytest.mark.photo
@every_task
async def test_its_child_holds_what_it_declares(task: type[VisionTask], models_folder: Path) -> None:
    held_bytes = await _largest_bytes(models_folder, lambda engines, picture, _: engines.analyze(task.name, picture))

    assert task.model_bytes / 2 <= held_bytes <= task.model_bytes


@pytest.mark.model
@pytest.mark.photo
@every_task_with_a_tracker
async def test_the_child_of_its_tracker_holds_what_it_declares(task: type[VisionTask], models_folder: Path) -> None:
    held_bytes = await _largest_bytes(
        models_folder, lambda engines, picture, number: engines.track(task.name, picture, 40 * number)
    )

    assert task.tracker_bytes / 2 <= held_bytes <= task.tracker_bytes


async def _largest_bytes(models_folder: Path, look: Callable[[Engines, bytes, int], Awaitable[Found]]) -> int:
    """Return the most that one child, forked from the zygote, holds after any of `PHOTOS_SEEN` photos."""
    gauge = MemoryGauge(MemoryLimit(GIB, "setting", GIB))
    pictures = [photo(name).read() for name in ("business_person.png", "thumb_up.jpg", "astronaut.png")]
    sizes = []
    async with (
        open_zygote("app.vision.preload") as (zygote, _),
        open_engines(models_folder, launcher=zygote) as engines,
    ):
        for number in range(1, PHOTOS_SEEN + 1):
            found = await look(engines, pictures[number % len(pictures)], number)
            sizes.append(gauge.measure(found.pid))
        assert zygote.obstacle is None
    gauge.close()
    return max(sizes)


def _plain_picture() -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.new("RGB", (320, 240), (40, 90, 140)).save(buffer, "JPEG")
    return buffer.getvalue()
