"""The mask of a part of a video, in a file of the job for as long as it is drawn with."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from app.domain.face_style import FaceStyle
from app.domain.region import Region
from app.images.masks import drawn_as
from app.jobs.workshop import Workshop

_CELLS = 3
"""Across the longer side of the largest head; why no more: `images.operations.anonymize`."""

_LEAST_CELL = 1 / 64


@dataclass(frozen=True, slots=True)
class MaskFile:
    """`cell`: the side of what becomes one colour, as a part of the picture's longer side."""

    path: Path
    cell: float


@asynccontextmanager
async def mask_part(
    shop: Workshop, frames: Sequence[Sequence[Region]], style: FaceStyle, path: Path
) -> AsyncIterator[MaskFile]:
    """Draw the mask of a part, for the block.

    The masks of one part have one cell: that of the largest head, so that of smaller ones less is left.

    Raises:
        BallastError: see `Masks.draw`.
    """
    video = shop.sources[0].video
    size = shop.masks.size(video.width, video.height)
    around = _with_neighbours(frames) if video.is_variable_rate else frames
    async with shop.files.part(path) as file:
        await shop.masks.draw(around, size, drawn_as(style), file.descriptor, shop.client)
    try:
        yield MaskFile(path, _cell(frames, video.width, video.height))
    finally:
        await shop.files.remove([path])


def _with_neighbours(frames: Sequence[Sequence[Region]]) -> list[list[Region]]:
    """Return for each look what is covered in it and in those beside it: frames come at other times than looks."""
    return [[one for near in frames[max(0, at - 1) : at + 2] for one in near] for at in range(len(frames))]


def _cell(frames: Sequence[Sequence[Region]], width: int, height: int) -> float:
    longest = max(width, height)
    sides = (max(one.width * width, one.height * height) / longest for frame in frames for one in frame)
    return min(1.0, max(_LEAST_CELL, max(sides, default=0.0) / _CELLS))
