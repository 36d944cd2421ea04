"""Pictures of a time lapse, brought to one size: each by itself, and then numbered without gaps."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from app.ffmpeg.parts import Look
from app.ffmpeg.timelapse import SEQUENCE
from app.images.params import read_transform
from app.images.transform import Transform
from app.jobs.files import link
from app.jobs.frames.picture_lines import OF_THE_PICTURE
from app.jobs.source import Source
from app.jobs.workshop import Workshop

Missing = Literal["skip", "hold"]
"""What is shown for a picture that is missing or broken: nothing, or the one before it (the first: the one after)."""

_AT_A_TIME = 2
"""One that is worked on, and one that is ready for it."""


class PictureSequence:
    """Works in two folders of the job: `pictures` has them by their place among the inputs, `sequence` in a row."""

    def __init__(self, shop: Workshop, look: Look) -> None:
        self._shop = shop
        self._transform = _transform(look)

    @property
    def folder(self) -> Path:
        return self._shop.file("sequence")

    async def render(self, first: int, sources: Sequence[Source]) -> list[int]:
        """Bring pictures to the size, upright and in sRGB; return the places of those that are missing or broken.

        Raises:
            BallastError: what is not the fault of a picture: no memory now, no room on the disk.
        """
        await self._shop.files.make_folder(self._shop.file("pictures"))
        broken: list[int] = []
        for at in range(0, len(sources), _AT_A_TIME):
            try:
                async with asyncio.TaskGroup() as tasks:
                    for place, source in enumerate(sources[at : at + _AT_A_TIME], first + at):
                        tasks.create_task(self._render(place, source, broken))
            except BaseExceptionGroup as group:
                raise group.exceptions[0] from None
            await self._shop.progress(min(1.0, (at + _AT_A_TIME) / len(sources)))
        return sorted(broken)

    async def number(self, count: int, broken: Sequence[int], missing: Missing) -> int:
        """Number what there is of `count` pictures from 1 on; return how many there are then."""
        shown = order_of(count, broken, missing)
        await self._shop.files.clear(self.folder)
        await self._shop.files.run(_link_all, self._shop.file("pictures"), self.folder, shown)
        return len(shown)

    async def _render(self, place: int, source: Source, broken: list[int]) -> None:
        path = self._shop.file("pictures") / f"{place:06d}.jpg"
        if await self._shop.files.exists(path):  # an earlier try came as far
            return
        try:
            await self._shop.pictures.render(source, self._transform, path, self._shop.client)
        except OF_THE_PICTURE:
            broken.append(place)


def order_of(count: int, broken: Sequence[int], missing: Missing) -> list[int]:
    """Return which picture is shown at each place, of those that are there."""
    gone = set(broken)
    there = [place for place in range(count) if place not in gone]
    if missing == "skip" or not there:
        return there
    shown, last = [], there[0]
    for place in range(count):
        last = last if place in gone else place
        shown.append(last)
    return shown


def _transform(look: Look) -> Transform:
    size = {"width": str(look.width), "height": str(look.height)}
    return read_transform({**size, "fit": "contain", "background": "000000", "format": "jpeg", "quality": "92"})


def _link_all(pictures: Path, sequence: Path, shown: Sequence[int]) -> None:
    for number, place in enumerate(shown, 1):
        link(pictures / f"{place:06d}.jpg", sequence / (SEQUENCE % number))
