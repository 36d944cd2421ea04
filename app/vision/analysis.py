"""One picture, one task, one answer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from app.domain.analysis_size import AnalysisSize
from app.errors import PayloadTooLarge, UnsupportedMedia
from app.imaging.cost import check_pixels, decode_bytes
from app.imaging.header import read_header
from app.imaging.picture_format import PictureHeader
from app.media.pictures import Picture
from app.memory.governor import Governor
from app.settings import ImageSettings, VisionSettings
from app.vision.looks import Looks
from app.vision.plan import AnalysisPlan, Output, Rendering
from app.vision.remembered import RememberedResults, result_key
from app.vision.result import AnalysisResult
from app.vision.task import VisionTask
from app.vision.trackers import Tracker
from app.vision.vision import Vision

_CHEAPER_SCALE = 0.5

_SMALLEST_SIDE = 256
"""Hands are lost in pictures smaller than this (measured: a second small hand at 192 pixels)."""

_DRAWING_BYTES = 2
_MASK_BYTES = 4
"""For each pixel of the answer, on top of the peak of decoding (measured: decoding is the more expensive step)."""

_CANVAS = AnalysisSize(1920, 1920)
"""A drawing or mask is answered in the picture's own size, at most in this one."""


@dataclass(frozen=True, slots=True)
class AnalysisRequest:
    """What a client wants to know of a picture, and how: a mask only where the task has one.

    `may_reuse`: detections that were found before will do. With a `tracker` a stream's own model is used. `media_id`
    is that of the stored picture which is looked at, and must not be deleted meanwhile; empty for one that was sent.
    """

    task: type[VisionTask]
    params: Any
    client: str
    output: Output = Output.DETECTIONS
    may_reuse: bool = False
    tracker: Tracker | None = None
    media_id: str = ""


class Analysis:
    """Analyses encoded pictures in the vision workers, admitted by the bytes that they will take."""

    def __init__(
        self,
        vision: Vision,
        governor: Governor,
        settings: VisionSettings,
        image: ImageSettings,
        remembered: RememberedResults,
    ) -> None:
        self.vision = vision
        self._governor = governor
        self._settings = settings
        self._max_pixels = image.max_pixels
        self._remembered = remembered
        self._looks = Looks(vision, governor)

    @property
    def max_bytes(self) -> int:
        return self._settings.max_bytes

    def box(self) -> AnalysisSize:
        """Return the analysis size of the present mode."""
        scale = self._governor.policy.analysis_scale
        full = AnalysisSize(self._settings.max_width, self._settings.max_height)
        smallest = min(1.0, _SMALLEST_SIDE / max(full.width, full.height))
        return full.scaled(max(scale, smallest))

    async def analyze(self, request: AnalysisRequest, picture: Picture) -> AnalysisResult:
        """Answer a request about one encoded picture.

        Raises:
            PayloadTooLarge, UnsupportedMedia, InvalidMedia, TooManyPixels: the picture is not accepted.
            BallastError: see `MemoryBudget.reserve` and `Vision.analyze`.
        """
        request = replace(request, params=self.vision.resolve(request.task, request.params))
        if not request.may_reuse or request.output is not Output.DETECTIONS:
            return await self._look(request, picture)
        key = result_key(request.task, request.params, self.box(), picture.data, request.media_id)
        look = partial(self._look, request, picture)
        return await self._remembered.find_or_look(key, self._governor.mode, picture, look)

    async def _look(self, request: AnalysisRequest, picture: Picture) -> AnalysisResult:
        encoded_bytes = len(picture.data)
        header = self._check(picture.data)
        plans = [self._plan(header, encoded_bytes, request.output, box) for box in self._boxes()]
        return await self._looks.look(self.vision.key(request.task, request.params), picture, plans, request.tracker)

    def _boxes(self) -> list[AnalysisSize]:
        """Return the analysis size of the mode, and the cheaper one for what does not fit in it."""
        box = self.box()
        smaller = box.scaled(_CHEAPER_SCALE)
        return [box, smaller] if max(smaller.width, smaller.height) >= _SMALLEST_SIDE else [box]

    def _plan(self, header: PictureHeader, encoded_bytes: int, output: Output, box: AnalysisSize) -> AnalysisPlan:
        """Plan the work on a picture that is looked at in `box`.

        Raises:
            TooManyPixels: see `check_pixels`.
        """
        target = box.fit(*header.upright)
        check_pixels(header, target, self._max_pixels)
        formula_bytes = decode_bytes(header, target, encoded_bytes)
        if output is Output.DETECTIONS:
            return self._predicted(box, None, f"decode-{header.format.name}", formula_bytes)
        policy = self._governor.policy
        rendering = Rendering(output, _CANVAS.scaled(policy.analysis_scale), policy.encoder_effort)
        size = rendering.canvas.fit(*header.upright)
        pixels = size[0] * size[1]
        if output is Output.MASK:
            return self._predicted(box, rendering, "mask", formula_bytes + _MASK_BYTES * pixels)
        check_pixels(header, size, self._max_pixels)
        formula_bytes = max(formula_bytes, decode_bytes(header, size, encoded_bytes)) + _DRAWING_BYTES * pixels
        return self._predicted(box, rendering, f"drawing-{header.format.name}", formula_bytes)

    def _predicted(
        self, box: AnalysisSize, rendering: Rendering | None, operation: str, formula_bytes: int
    ) -> AnalysisPlan:
        predicted_bytes = self._governor.forecast.predict(operation, formula_bytes)
        return AnalysisPlan(box, self._max_pixels, rendering, operation, formula_bytes, predicted_bytes)

    def _check(self, picture: bytes) -> PictureHeader:
        if len(picture) > self.max_bytes:
            raise PayloadTooLarge(
                f"A picture may have {self.max_bytes} bytes.", maxBytes=self.max_bytes, sizeBytes=len(picture)
            )
        if not picture:
            raise UnsupportedMedia("The body is empty; send one picture.")
        return read_header(picture)
