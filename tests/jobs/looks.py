"""A bench for kinds that look at pictures: the rooms of the real house, with the installed models."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from app.bootstrap import House, open_house
from app.domain.priority import Priority
from app.jobs.files import JobFiles
from app.jobs.frames.pictures import PictureWorks
from app.media.pictures import Pictures
from app.settings import Settings
from tests.conftest import MODELS_FOLDER
from tests.jobs.bench import Bench, bench


@asynccontextmanager
async def looking_bench(folder: Path, *paths: Path) -> AsyncIterator[tuple[Bench, House]]:
    """Give a bench in `folder/job` whose inputs are these files of `folder`, and the house that looks at them."""
    storage = {"root": folder / "store"}
    settings = Settings.model_validate(
        {"storage": storage, "models": {"dir": MODELS_FOLDER}, "memory": {"limit": "2G"}}
    )
    async with open_house(settings) as house:
        opened = await bench(folder, *paths)
        opened.files = JobFiles(house.core.disk)
        opened.frames = house.vision.frames
        opened.masks = house.images.masks
        opened.pictures = picture_works(house, opened.files)
        yield opened, house


def picture_works(house: House, files: JobFiles) -> PictureWorks:
    """Return what kinds work on pictures with."""
    core = house.core
    pictures = Pictures(core.governor.budget, core.unfinished, core.store.scratch, core.disk, Priority.BATCH, 60.0)
    return PictureWorks(house.vision.analysis, house.images.images, pictures, core.store, files)
