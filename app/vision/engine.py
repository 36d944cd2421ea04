"""The handler of a vision child: decodes a picture straight to the analysis size and runs its model on it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from app.domain.analysis_size import AnalysisSize
from app.domain.units import MIB
from app.errors import InvalidMedia, WorkerFailed
from app.imaging.decode import (
    FOR_EYES,
    FOR_MODELS,
    DecodedPicture,
    Resampling,
    UprightImage,
    decode_image,
    decode_picture,
)
from app.vision.plan import Output, Rendering
from app.vision.task import Found, Model, VisionTask, vision_tasks
from app.workers.channel import Head
from app.workers.data_cage import DataCage

_SLACK_BYTES = 24 * MIB
"""What decoders map beside the pictures: stacks of their threads (8 MiB each), arenas, tables."""

_LEAST_QUALITY = 60
_MORE_QUALITY = 25
"""JPEG quality is 60 at no effort and 85 at the usual one: half the bytes."""


class Engine:
    """Answers the calls of the API with one model.

    A call is `{"task", "box": [width, height], "maxPixels", "decodeBytes"}` with an encoded picture as payload, for a
    tracker also `"timestampMs"`; `task` is the model's own, or one that it serves too. The answer's head has the sizes
    and times, its payload is the JSON array of detections. With the members of a `Rendering` the payload is a picture
    or mask; with `"search": true` the whole picture is searched (`VisionTask.search`). With `"frames"` (a `Stretch`)
    it is raw frames that are looked at, out of the pipe whose reading end is the call's descriptor (`Segment`).
    """

    def __init__(self, model: Model, tasks: dict[str, type[VisionTask]]) -> None:
        self._model = model
        self._tasks = tasks
        self._cage = DataCage()

    def handle(self, head: Head, payload: bytes) -> tuple[Head, bytes]:
        """Analyse one picture.

        Raises:
            InvalidMedia, UnsupportedMedia, TooManyPixels: see `decode_picture`.
            ProcessingTimeout: see `FramePipe.next`.
        """
        if "frames" in head:
            return self._look_at_frames(head)
        if head.get("search"):
            return self._search(head, payload)
        began = time.perf_counter()
        frame = self._decode(head, payload, AnalysisSize(*head["box"]))
        decoded = time.perf_counter()
        task = self._tasks[head["task"]]
        found = self._model.detect(frame.rgb, head.get("timestampMs"))
        found = replace(found, detections=task.narrow(found.detections))
        done = time.perf_counter()
        height, width = frame.rgb.shape[:2]
        answer = {**_sizes(frame, (width, height)), **_times(began, decoded, done)}
        if (rendering := Rendering.of(head)) is None:
            return answer, json.dumps(found.detections, separators=(",", ":")).encode()
        return answer, self._render(head, payload, task, frame, found, rendering)

    def _look_at_frames(self, head: Head) -> tuple[Head, bytes]:
        from app.vision.segment import Segment, Stretch  # few children see videos

        stretch = Stretch(**head["frames"])
        try:
            with self._cage.allowance(stretch.bytes + _SLACK_BYTES):
                return Segment(self._model, self._tasks[head["task"]], stretch).look(head["descriptors"][0])
        except MemoryError:
            raise WorkerFailed("Looking at the frames needs more memory than was reserved for it.") from None

    def _search(self, head: Head, payload: bytes) -> tuple[Head, bytes]:
        began = time.perf_counter()
        with self._caged(head):
            upright = decode_image(payload, AnalysisSize(*head["box"]), head["maxPixels"], FOR_EYES)
        decoded = time.perf_counter()
        found = self._tasks[head["task"]].search(self._model, upright.image)
        answer = {**_sizes(upright, upright.image.size), **_times(began, decoded, time.perf_counter())}
        return answer, json.dumps(found, separators=(",", ":")).encode()

    def _render(
        self,
        head: Head,
        payload: bytes,
        task: type[VisionTask],
        frame: DecodedPicture,
        found: Found,
        rendering: Rendering,
    ) -> bytes:
        """Draw on the picture, decoded again: what was analysed is smaller, and no two are held at a time."""
        # Imported here: Pillow's drawing and fonts take 2 MB.
        from app.imaging.draw import draw_sketches, fit_mask
        from app.imaging.encode import encode_jpeg, encode_png

        size = rendering.canvas.fit(frame.width, frame.height)
        if rendering.output is Output.MASK:
            assert found.mask is not None, "only tasks with a mask are asked for it"
            return encode_png(fit_mask(found.mask, size), rendering.effort)
        rgb = frame.rgb
        if rgb.shape[1::-1] != size:
            del frame, rgb
            rgb = self._decode(head, payload, rendering.canvas, FOR_EYES).rgb
        drawn = draw_sketches(rgb, task.sketches(found.detections), found.mask)
        return encode_jpeg(drawn, round(_LEAST_QUALITY + _MORE_QUALITY * rendering.effort))

    def _decode(
        self,
        head: Head,
        payload: bytes,
        box: AnalysisSize,
        resample: Resampling = FOR_MODELS,
    ) -> DecodedPicture:
        with self._caged(head):
            return decode_picture(payload, box, head["maxPixels"], resample)

    @contextmanager
    def _caged(self, head: Head) -> Iterator[None]:
        """Decode within what was reserved for it: a picture that lies about its size in the header gets no more."""
        try:
            with self._cage.allowance(head["decodeBytes"] + _SLACK_BYTES):
                yield
        except MemoryError:
            raise InvalidMedia("The picture needs more memory than its header says.") from None


def _sizes(picture: DecodedPicture | UprightImage, analyzed: tuple[int, int]) -> Head:
    return {
        "width": picture.width,
        "height": picture.height,
        "analyzedWidth": analyzed[0],
        "analyzedHeight": analyzed[1],
    }


def _times(began: float, decoded: float, done: float) -> Head:
    return {"decodeSeconds": round(decoded - began, 6), "inferenceSeconds": round(done - decoded, 6)}


def build(options: dict[str, Any]) -> Engine:
    """Load the model that a child is started for: `{"task", "asset", "params", "tracker"}` (`ModelKey.as_options`)."""
    tasks = vision_tasks()
    task = tasks[options["task"]]
    load = task.load_tracker if options["tracker"] else task.load
    return Engine(load(Path(options["asset"]), task.Params(**options["params"])), tasks)
