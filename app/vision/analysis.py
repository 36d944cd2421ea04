"""One picture, one task, one answer."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from app.domain.analysis_size import AnalysisSize
from app.domain.receipt import Receipt
from app.errors import MemoryExceedsLimit, PayloadTooLarge, UnsupportedMedia
from app.imaging.cost import check_pixels, decode_bytes
from app.imaging.header import read_header
from app.imaging.picture_format import PictureHeader
from app.media.pictures import Picture
from app.memory.governor import Governor
from app.settings import ImageSettings, VisionSettings
from app.vision.output import Output, Rendering
from app.vision.task import VisionTask
from app.vision.trackers import Tracker
from app.vision.vision import ModelLease, Vision
from app.workers.call import Reply

_CHEAPER_SCALE = 0.5

_SMALLEST_SIDE = 256
"""Hands are lost in pictures smaller than this (measured: a second small hand at 192 pixels)."""

_DRAWING_BYTES = 2
_MASK_BYTES = 4
"""Of a pixel of the answer, on top of what decoding takes at its peak (measured: decoding is the dearer step)."""

_CANVAS = AnalysisSize(1920, 1920)
"""A drawing or mask is answered in the picture's own size, at most in this one."""


@dataclass(frozen=True, slots=True)
class AnalysisResult:
    """What was found, in which form. `payload` is passed on as the worker wrote it: a JSON array, or a picture.

    `reduced`: the picture did not fit into memory at the full analysis size and was looked at in a smaller one.
    `cached`: it was found before.
    """

    task: str
    model: str
    width: int
    height: int
    analyzed_width: int
    analyzed_height: int
    output: Output
    payload: bytes
    queued_seconds: float
    decode_seconds: float
    inference_seconds: float
    receipt: Receipt
    reduced: bool = False
    cached: bool = False

    @property
    def seconds(self) -> float:
        """How long the worker was busy with it."""
        return 0.0 if self.cached else self.decode_seconds + self.inference_seconds

    def to_json(self, **first: object) -> bytes:
        """Return detections as JSON, the members `first` before the others."""
        assert self.output is Output.DETECTIONS
        members: dict[str, object] = {
            **first,
            "task": self.task,
            "model": self.model,
            "width": self.width,
            "height": self.height,
            "analyzedWidth": self.analyzed_width,
            "analyzedHeight": self.analyzed_height,
            "mode": self.receipt.mode,
            **({"reduced": True} if self.reduced else {}),
            **({"cached": True} if self.cached else {}),
            "timing": {
                "queuedSeconds": round(self.queued_seconds, 6),
                "decodeSeconds": self.decode_seconds,
                "inferenceSeconds": self.inference_seconds,
            },
        }
        return json.dumps(members, separators=(",", ":")).encode()[:-1] + b',"detections":' + self.payload + b"}"

    def body(self) -> bytes:
        """Return the answer in its own form: JSON, or a picture."""
        return self.to_json() if self.output is Output.DETECTIONS else self.payload


@dataclass(frozen=True, slots=True)
class _Plan:
    """How one picture is worked on. `formula_bytes` are those of the dearest step, `operation` names it to learn."""

    box: AnalysisSize
    rendering: Rendering | None
    operation: str
    formula_bytes: int
    predicted_bytes: int


class Analysis:
    """Analyses encoded pictures in the vision workers, admitted by the bytes that they will take."""

    def __init__(self, vision: Vision, governor: Governor, settings: VisionSettings, image: ImageSettings) -> None:
        self.vision = vision
        self._governor = governor
        self._settings = settings
        self._max_pixels = image.max_pixels

    @property
    def max_bytes(self) -> int:
        return self._settings.max_bytes

    def box(self) -> AnalysisSize:
        """Return the analysis size of the present mode."""
        scale = self._governor.policy.analysis_scale
        full = AnalysisSize(self._settings.max_width, self._settings.max_height)
        smallest = min(1.0, _SMALLEST_SIDE / max(full.width, full.height))
        return full.scaled(max(scale, smallest))

    async def analyze(
        self,
        task: type[VisionTask],
        params: Any,
        picture: Picture,
        *,
        client: str,
        tracker: Tracker | None = None,
        output: Output = Output.DETECTIONS,
    ) -> AnalysisResult:
        """Run `task` on one encoded picture: with a stream's tracker, else with a shared model.

        The answer is what `output` says; a mask only where the task has one.

        Raises:
            PayloadTooLarge, UnsupportedMedia, InvalidMedia, TooManyPixels: the picture is not one we take.
            BallastError: see `MemoryBudget.reserve` and `ModelLease.analyze`.
        """
        encoded_bytes = len(picture.data)
        header = self._check(picture.data)
        plans = [self._plan(header, encoded_bytes, output, box) for box in self._boxes()]
        mode = self._governor.mode
        async with self.vision.lease(task, params, picture.put_aside) as lease:
            plan = self._fitting(plans, lease, encoded_bytes)
            parts = {"decode": plan.predicted_bytes + encoded_bytes, **lease.parts}
            async with picture.granted(parts, f"vision:{task.name}") as reservation:
                reply = await lease.analyze(
                    picture.data,
                    plan.box,
                    self._max_pixels,
                    plan.predicted_bytes,
                    reservation,
                    client,
                    tracker,
                    plan.rendering,
                )
        if reply.peak_bytes is not None and not reply.head["loaded"]:
            self._governor.forecast.observe(plan.operation, plan.formula_bytes, reply.peak_bytes)
        self._governor.trimmer.request()
        receipt = Receipt(sum(parts.values()), reply.peak_bytes, mode)
        return _result(task, lease.model, output, reply, receipt, reduced=plan is not plans[0])

    def _boxes(self) -> list[AnalysisSize]:
        """Return the analysis size of the mode, and the cheaper one for what does not fit in it."""
        box = self.box()
        smaller = box.scaled(_CHEAPER_SCALE)
        return [box, smaller] if max(smaller.width, smaller.height) >= _SMALLEST_SIDE else [box]

    def _fitting(self, plans: list[_Plan], lease: ModelLease, encoded_bytes: int) -> _Plan:
        """Return the first plan that can ever fit beside the worker.

        Raises:
            MemoryExceedsLimit: none can.
        """
        limit_bytes = self._governor.budget.limit_bytes
        held_bytes = sum(lease.parts.values()) + lease.held_bytes + 2 * encoded_bytes
        for plan in plans:
            if plan.predicted_bytes + held_bytes <= limit_bytes:
                return plan
        needed_bytes = plans[-1].predicted_bytes + held_bytes
        raise MemoryExceedsLimit(
            f"The picture and its worker need {needed_bytes} bytes, and {limit_bytes} can ever be given.",
            neededBytes=needed_bytes,
            limitBytes=limit_bytes,
        )

    def _plan(self, header: PictureHeader, encoded_bytes: int, output: Output, box: AnalysisSize) -> _Plan:
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

    def _predicted(self, box: AnalysisSize, rendering: Rendering | None, operation: str, formula_bytes: int) -> _Plan:
        predicted_bytes = self._governor.forecast.predict(operation, formula_bytes)
        return _Plan(box, rendering, operation, formula_bytes, predicted_bytes)

    def _check(self, picture: bytes) -> PictureHeader:
        if len(picture) > self.max_bytes:
            raise PayloadTooLarge(
                f"A picture may have {self.max_bytes} bytes.", maxBytes=self.max_bytes, sizeBytes=len(picture)
            )
        if not picture:
            raise UnsupportedMedia("The body is empty; send one picture.")
        return read_header(picture)


def _result(
    task: type[VisionTask], model: str, output: Output, reply: Reply, receipt: Receipt, *, reduced: bool
) -> AnalysisResult:
    head = reply.head
    return AnalysisResult(
        task=task.name,
        model=model,
        width=head["width"],
        height=head["height"],
        analyzed_width=head["analyzedWidth"],
        analyzed_height=head["analyzedHeight"],
        output=output,
        payload=reply.payload,
        queued_seconds=reply.queued_seconds,
        decode_seconds=head["decodeSeconds"],
        inference_seconds=head["inferenceSeconds"],
        receipt=receipt,
        reduced=reduced,
    )
