"""Heads in a picture, for those who hide them or cut around them (`images.faces.FaceFinder`)."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial

from app.domain.analysis_size import AnalysisSize
from app.domain.heads import Heads
from app.imaging.cost import check_pixels, image_bytes
from app.imaging.header import read_header
from app.imaging.picture_format import PictureHeader
from app.media.pictures import Picture
from app.memory.governor import Governor
from app.vision.head import head_of
from app.vision.looks import Looks
from app.vision.plan import AnalysisPlan
from app.vision.remembered import RememberedResults, result_key
from app.vision.result import AnalysisResult
from app.vision.search_cost import LARGEST, search_bytes, search_seconds
from app.vision.task import VisionTask
from app.vision.vision import Vision

_CHEAPER_SCALE = 0.5


class HeadFinder:
    """Searches pictures for faces in the children of `face-detection`, admitted by the bytes that it will take.

    It looks no less closely when memory is tight: a face that is overlooked would be shown.
    """

    def __init__(
        self,
        vision: Vision,
        governor: Governor,
        task: type[VisionTask],
        max_pixels: int,
        remembered: RememberedResults,
    ) -> None:
        self._vision = vision
        self._governor = governor
        self._task = task
        self._params = vision.resolve(task, task.Params())
        self._max_pixels = max_pixels
        self._remembered = remembered
        self._looks = Looks(vision, governor)

    async def find(self, picture: Picture, box: AnalysisSize) -> Heads:
        """Return the heads in an encoded picture, which is looked at in `box`: faces from 24 pixels on are found there.

        Where that can never fit into memory, in half of it. First the model is leased, then what the search takes is
        reserved; nothing else may be held for the picture but its own bytes, which `put_aside` gives back.

        Raises:
            UnsupportedMedia, InvalidMedia, TooManyPixels: the picture is not accepted.
            ModelMissing: the model is not installed.
            BallastError: see `MemoryBudget.reserve` and `Vision.analyze`.
        """
        box = AnalysisSize(min(box.width, LARGEST), min(box.height, LARGEST))
        key = result_key(self._task, self._params, box, picture.data, work="search")
        search = partial(self._search, picture, box)
        found = await self._remembered.find_or_look(key, self._governor.mode, picture, search)
        size = found.width, found.height
        receipt = replace(found.receipt, reduced=found.reduced)
        return Heads(tuple(head_of(face, *size) for face in json.loads(found.payload)), receipt)

    async def _search(self, picture: Picture, box: AnalysisSize) -> AnalysisResult:
        header, encoded_bytes = read_header(picture.data), len(picture.data)
        plans = [self._plan(header, encoded_bytes, one) for one in (box, box.scaled(_CHEAPER_SCALE))]
        return await self._looks.look(self._vision.key(self._task, self._params), picture, plans)

    def _plan(self, header: PictureHeader, encoded_bytes: int, box: AnalysisSize) -> AnalysisPlan:
        target = box.fit(*header.upright)
        check_pixels(header, target, self._max_pixels)
        operation = f"search-{header.format.name}"
        formula_bytes = image_bytes(header, target, encoded_bytes) + search_bytes(*target)
        predicted_bytes = self._governor.forecast.predict(operation, formula_bytes)
        return AnalysisPlan(
            box,
            self._max_pixels,
            None,
            operation,
            formula_bytes,
            predicted_bytes,
            searches=True,
            deadline_seconds=search_seconds(*target),
        )
