"""The vision worker's handler: decodes a picture straight to the analysis size, runs a task, answers plain JSON."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from app.domain.analysis_size import AnalysisSize
from app.domain.units import MIB
from app.errors import InvalidMedia
from app.imaging.decode import FOR_EYES, FOR_MODELS, DecodedPicture, Resampling, RgbArray, decode_picture
from app.memory.allocator import find_malloc_trim
from app.vision import runtime  # noqa: F401 - MediaPipe comes in at start, not within the first call
from app.vision.models import ModelShelf, TrackerShelf
from app.vision.output import Output, Rendering
from app.vision.task import Found, VisionTask, vision_tasks
from app.workers.channel import Head
from app.workers.footprint import resident_bytes
from app.workers.sandbox import DataCage

_SLACK_BYTES = 24 * MIB
"""What decoders map beside the pictures: stacks of their threads (8 MiB each), arenas, tables."""


class Engine:
    """Answers the calls of the API.

    `{"unload": [task...]}` closes idle models, `{"narrow": n}` all idle instances of a model but n, `{"dropTracker":
    id}` a stream's tracker. An analysis is `{"task",
    "asset", "params", "box": [width, height], "maxPixels", "decodeBytes"}`, for a stream with a tracker also
    `"tracker"` (its id) and `"timestampMs"`, with the picture as payload; the answer's head has the sizes and times,
    its payload is the JSON array of detections. With the members of a `Rendering` the payload is a picture or mask.
    """

    def __init__(self, slots: int) -> None:
        self._tasks: dict[str, type[VisionTask]] = vision_tasks()
        self._shelf = ModelShelf(slots, resident_bytes)
        self._trackers = TrackerShelf()
        self._cage = DataCage()
        self._trim = find_malloc_trim() or (lambda: None)

    def handle(self, head: Head, payload: bytes) -> tuple[Head, bytes]:
        """Answer one call."""
        if "unload" in head:
            return self._unload(head["unload"])
        if "dropTracker" in head:
            return self._drop_tracker(head["dropTracker"])
        if "narrow" in head:
            return self._narrow(head["narrow"])
        return self._analyze(head, payload)

    def _narrow(self, instances: int) -> tuple[Head, bytes]:
        self._shelf.narrow(instances)
        self._trim()
        return self._models(), b""

    def _drop_tracker(self, tracker: str) -> tuple[Head, bytes]:
        self._trackers.drop(tracker)
        self._trim()
        return {}, b""

    def _unload(self, tasks: list[str]) -> tuple[Head, bytes]:
        for task in tasks:
            self._shelf.unload(task)
        self._trim()
        return self._models(), b""

    def _analyze(self, head: Head, payload: bytes) -> tuple[Head, bytes]:
        """Analyse one picture.

        Raises:
            InvalidMedia, UnsupportedMedia, TooManyPixels: see `decode_picture`.
        """
        loads = self._loads
        began = time.perf_counter()
        frame = self._decode(head, payload, AnalysisSize(*head["box"]))
        decoded = time.perf_counter()
        task = self._tasks[head["task"]]
        with self._model(head, task) as detect:
            loaded = time.perf_counter()
            found = detect(frame.rgb)
        found = replace(found, detections=task.narrow(found.detections))
        done = time.perf_counter()
        height, width = frame.rgb.shape[:2]
        answer = {
            "width": frame.width,
            "height": frame.height,
            "analyzedWidth": width,
            "analyzedHeight": height,
            "decodeSeconds": round(decoded - began, 6),
            "loadSeconds": round(loaded - decoded, 6),
            "loaded": self._loads != loads,
            "inferenceSeconds": round(done - loaded, 6),
            **self._models(),
        }
        if (rendering := Rendering.of(head)) is None:
            return answer, json.dumps(found.detections, separators=(",", ":")).encode()
        return answer, self._render(head, payload, task, frame, found, rendering)

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
        from app.vision.rendering import render_mask, render_picture  # Pillow's drawing and fonts: 2 MB

        size = rendering.canvas.fit(frame.width, frame.height)
        if rendering.output is Output.MASK:
            return render_mask(found, size, rendering)
        rgb = frame.rgb
        if rgb.shape[1::-1] != size:
            del frame, rgb
            rgb = self._decode(head, payload, rendering.canvas, FOR_EYES).rgb
        return render_picture(task, found, rgb, rendering)

    @property
    def _loads(self) -> int:
        return self._shelf.loads + self._trackers.loads

    @contextmanager
    def _model(self, head: Head, task: type[VisionTask]) -> Iterator[Callable[[RgbArray], Found]]:
        """Lend the stream's tracker if the call names one, else a shared model."""
        asset, params = Path(head["asset"]), task.Params(**head["params"])
        if "tracker" in head:
            with self._cage.lifted():
                model = self._trackers.get(head["tracker"], task, asset, params)
            yield lambda rgb: model.track(rgb, head["timestampMs"])
            return
        with ExitStack() as stack:
            with self._cage.lifted():
                shared = stack.enter_context(self._shelf.lease(task, asset, params))
            yield shared.detect

    def _models(self) -> Head:
        """Return what is loaded; answers may be read in another order than they were written in, hence `revision`."""
        revision = self._shelf.revision
        models = [
            {"task": one.task, "params": one.params, "residentBytes": one.resident_bytes}
            for one in self._shelf.loaded()
        ]
        return {"models": models, "revision": revision}

    def _decode(
        self,
        head: Head,
        payload: bytes,
        box: AnalysisSize,
        resample: Resampling = FOR_MODELS,
    ) -> DecodedPicture:
        """Decode within what was reserved for it: a picture that lies about its size in the header gets no more."""
        try:
            with self._cage.allowance(head["decodeBytes"] + _SLACK_BYTES):
                return decode_picture(payload, box, head["maxPixels"], resample)
        except MemoryError:
            raise InvalidMedia("The picture needs more memory than its header says.") from None


def build(options: dict[str, Any]) -> Engine:
    """Entry point of the vision worker; `options` is `{"slots"}`."""
    return Engine(options["slots"])
