"""What every vision task's answers promise over the whole way: in the ledger, as drawings, in the description."""

from __future__ import annotations

import io
import statistics
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from app.bootstrap import House, open_house
from app.domain.analysis_size import AnalysisSize
from app.domain.priority import Priority
from app.domain.units import GIB, MIB
from app.errors import ModelMissing
from app.imaging.encode import encode_png
from app.main import create_app
from app.media.live_picture import LivePicture
from app.memory.customer import Customer
from app.settings import MemorySettings, ModelSettings, Settings, StorageSettings, VisionSettings
from app.vision.analysis import AnalysisRequest
from app.vision.plan import Output, Rendering
from app.vision.result import AnalysisResult
from app.vision.task import VisionTask, vision_tasks
from app.workers.launch import CHILD_ENVIRONMENT
from tests.media_files import photo
from tests.vision.engines import open_engines

TASKS = vision_tasks()
REPEATS = 200
KEPT_BYTES = int(CHILD_ENVIRONMENT["MALLOC_TRIM_THRESHOLD_"])
"""What the heap of a worker may keep, and give back at any time; a leak of each picture would be five times it."""

every_task = pytest.mark.parametrize("task", TASKS.values(), ids=TASKS.keys())
every_mask_task = pytest.mark.parametrize(
    "task",
    [task for task in TASKS.values() if task.has_mask],
    ids=[name for name, one in TASKS.items() if one.has_mask],
)


def _settings(folder: Path, models: Path, **memory: Any) -> Settings:
    return Settings(
        memory=MemorySettings(limit=2 * GIB, **memory),
        storage=StorageSettings(root=folder / "var"),
        models=ModelSettings(dir=models),
        vision=VisionSettings(workers=1),
    )


async def _analyze(
    house: House, task: type[VisionTask], picture: bytes, output: Output, **params: object
) -> AnalysisResult:
    live = LivePicture(picture, None, house.vision.pictures, Customer(Priority.REQUEST, "tester", 10))
    return await house.vision.analysis.analyze(AnalysisRequest(task, task.Params(**params), "tester", output), live)


def _opened(encoded: bytes) -> Image.Image:
    return Image.open(io.BytesIO(encoded))


@pytest.mark.model
@pytest.mark.photo
@every_task
async def test_its_drawing_keeps_the_picture_and_draws_something_on_it(
    task: type[VisionTask], models_folder: Path
) -> None:
    known = photo("business_person.png")
    rendering = Rendering(Output.PICTURE, AnalysisSize(1920, 1920), 1.0)

    async with open_engines(models_folder) as engines:
        drawn = await engines.render(task.name, known.read(), rendering)
        nothing = await engines.render(task.name, encode_png(np.full((240, 320, 3), 90, np.uint8)), rendering)

    before = np.asarray(Image.open(known.path).convert("RGB")).astype(int)
    after = np.asarray(_opened(drawn)).astype(int)
    changed = (np.abs(after - before).max(axis=2) > 60).mean()
    assert _opened(drawn).format == "JPEG"
    assert after.shape == before.shape
    assert 0.001 < changed < (0.7 if task.has_mask else 0.1)
    assert _opened(nothing).size == (320, 240)


@pytest.mark.model
@pytest.mark.photo
@every_task
async def test_its_drawing_is_fitted_into_the_canvas_and_lies_where_it_did(
    task: type[VisionTask], models_folder: Path
) -> None:
    picture = photo("business_person.png").read()

    async with open_engines(models_folder) as engines:
        large = await engines.render(task.name, picture, Rendering(Output.PICTURE, AnalysisSize(1920, 1920), 1.0))
        small = await engines.render(task.name, picture, Rendering(Output.PICTURE, AnalysisSize(480, 480), 1.0))

    assert max(_opened(small).size) == 480
    reduced = np.asarray(_opened(large).resize(_opened(small).size)).astype(int)
    assert np.abs(np.asarray(_opened(small)).astype(int) - reduced).mean() < 6


@pytest.mark.model
@pytest.mark.photo
@every_mask_task
async def test_its_mask_has_the_size_of_the_picture(task: type[VisionTask], models_folder: Path) -> None:
    known = photo("business_person.png")

    async with open_engines(models_folder) as engines:
        mask = await engines.render(task.name, known.read(), Rendering(Output.MASK, AnalysisSize(1920, 1920), 1.0))
        found = await engines.analyze(task.name, known.read())

    image = _opened(mask)
    assert (image.format, image.mode, image.size) == ("PNG", "L", (known.width, known.height))
    coverage = float((np.asarray(image) >= 128).mean())
    assert coverage == pytest.approx(found.detections[0]["mask"]["coverage"], abs=0.01)


@pytest.mark.model
@pytest.mark.photo
@every_task
@pytest.mark.parametrize("form", ["jpeg", "turned", "progressive", "png"])
async def test_no_answer_takes_more_than_was_reserved_for_it(
    task: type[VisionTask], form: str, tmp_path: Path, models_folder: Path
) -> None:
    small, large = _astronaut(form, (64, 64)), _astronaut(form, (3000, 2000))
    outputs = [Output.DETECTIONS, Output.PICTURE, *([Output.MASK] if task.has_mask else [])]

    async with open_house(_settings(tmp_path, models_folder)) as house:
        # The first call loads a decoder and a font too, for good; one so small teaches the forecast nothing.
        await _analyze(house, task, small, Output.PICTURE)
        receipts = [(await _analyze(house, task, large, output)).receipt for output in outputs]

    for receipt in receipts:
        assert receipt.peak_bytes is not None
        assert receipt.peak_bytes <= receipt.predicted_bytes


def _astronaut(form: str, size: tuple[int, int]) -> bytes:
    exif = Image.Exif()
    if form == "turned":
        exif[0x0112] = 6
    options: dict[str, Any] = {"progressive": True} if form == "progressive" else {}
    buffer = io.BytesIO()
    with Image.open(photo("astronaut.png").path) as image:
        resized = image.convert("RGB").resize(size)
    resized.save(buffer, "PNG" if form == "png" else "JPEG", exif=exif, **options)
    return buffer.getvalue()


@pytest.mark.model
@pytest.mark.photo
@every_task
async def test_where_memory_is_tight_its_smallest_model_answers_and_is_named(
    task: type[VisionTask], tmp_path: Path, models_folder: Path
) -> None:
    tight = _settings(tmp_path, models_folder, moderate_share=0.0001, high_share=0.0002, psi_some=100)

    async with open_house(tight) as house:
        house.core.governor.measure()
        result = await _analyze(house, task, photo("business_person.png").read(), Output.DETECTIONS)
        drawn = await _analyze(house, task, photo("business_person.png").read(), Output.PICTURE)

    assert result.receipt.mode == "MEMORY_OPTIMIZED"
    assert result.model == Path(task.asset).stem
    assert max(_opened(drawn.payload).size) == 960


@every_task
async def test_without_its_bundle_it_says_what_is_missing(task: type[VisionTask], tmp_path: Path) -> None:
    async with open_house(_settings(tmp_path, tmp_path / "nothing")) as house:
        before = house.core.governor.budget.statistics().holders
        with pytest.raises(ModelMissing) as missing:
            await _analyze(house, task, encode_png(np.zeros((8, 8, 3), np.uint8)), Output.DETECTIONS)

        holders = house.core.governor.budget.statistics().holders
        assert [holder.owner for holder in holders] == [holder.owner for holder in before]
        assert house.vision.vision.models.counters.started == 0
    assert f"ballast models {task.asset}" in missing.value.detail


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return create_app(Settings()).openapi()


@every_task
def test_its_parameters_stand_in_the_description_with_their_bounds(
    task: type[VisionTask], document: dict[str, Any]
) -> None:
    described = {
        one["name"]: one["schema"] for one in document["paths"][f"/v1/vision/{task.name}"]["post"]["parameters"]
    }

    assert described["annotate"]["default"] is False
    assert ("as" in described) == task.has_mask
    for name, schema in described.items():
        if schema.get("type") in ("integer", "number"):
            assert {"minimum", "maximum", "default"} <= schema.keys(), name


@every_task
def test_the_forms_of_its_answer_stand_in_the_description(task: type[VisionTask], document: dict[str, Any]) -> None:
    content = document["paths"][f"/v1/vision/{task.name}"]["post"]["responses"]["200"]["content"]

    forms = {"application/json", "image/jpeg"} | ({"image/png"} if task.has_mask else set())
    assert content.keys() == forms
    assert content["application/json"]["schema"]["$ref"].endswith("/Analysis")


@pytest.mark.model
@pytest.mark.photo
@every_task
async def test_picture_after_picture_does_not_make_the_worker_grow(task: type[VisionTask], models_folder: Path) -> None:
    pictures = [photo("astronaut.png").read(), photo("thumb_up.jpg").read()]

    async with open_engines(models_folder) as engines:
        sizes = []
        for number in range(REPEATS):
            await engines.analyze(task.name, pictures[number % 2], box=(320, 240))
            sizes.append(engines.resident_bytes)

    quarter = REPEATS // 4
    growth_bytes = statistics.median(sizes[-quarter:]) - statistics.median(sizes[quarter : 2 * quarter])
    assert growth_bytes < KEPT_BYTES + 2 * MIB
