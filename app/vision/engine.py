"""The vision worker's handler: decodes a picture straight to the analysis size and runs a task on it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from app.domain.frame import AnalysisSize
from app.domain.units import MIB
from app.errors import InvalidMedia
from app.imaging.decode import FOR_EYES, FOR_MODELS, DecodedFrame, Resampling, decode_frame
from app.memory.allocator import find_malloc_trim
from app.vision import runtime  # noqa: F401 - MediaPipe is imported at start-up, not within the first call
from app.vision.models import ModelShelf, TrackerShelf
from app.vision.plan import Output, Rendering
from app.vision.task import Found, Model, VisionTask, vision_tasks
from app.workers.channel import Head
from app.workers.footprint import resident_bytes
from app.workers.sandbox import DataCage

_SLACK_BYTES = 24 * MIB
"""What decoders map beside the pictures: stacks of their threads (8 MiB each), arenas, tables."""

_LEAST_QUALITY = 60
_MORE_QUALITY = 25
"""JPEG quality is 60 at no effort and 85 at the usual one: half the bytes."""


class Engine:
    """Answers the calls of the API.

    An analysis is `{"task", "asset", "params", "box": [width, height], "maxPixels", "decodeBytes"}`, for a stream with
    a tracker also `"tracker"` (its id) and `"timestampMs"`, with the picture as payload; the answer's head has the
    sizes and times, its payload is the JSON array of detections. With the members of a `Rendering` the payload is a
    picture or mask. Other calls free memory: `{"unload": [task...]}` closes idle models, `{"keepInstances": n}` all
    idle instances of a model but n, `{"dropTracker": id}` a stream's tracker.
    """

    def __init__(self, slots: int) -> None:
        self._tasks: dict[str, type[VisionTask]] = vision_tasks()
        self._shelf = ModelShelf(slots, resident_bytes)
        self._trackers = TrackerShelf()
        self._cage = DataCage()
        self._trim = find_malloc_trim() or (lambda: None)

    def handle(self, head: Head, payload: bytes) -> tuple[Head, bytes]:
        """Answer one call."""
        if "task" in head:
            return self._analyze(head, payload)
        for task in head.get("unload", ()):
            self._shelf.unload(task)
        if "keepInstances" in head:
            self._shelf.unload_surplus(head["keepInstances"])
        if "dropTracker" in head:
            self._trackers.drop(head["dropTracker"])
        self._trim()
        return self._models(), b""

    def _analyze(self, head: Head, payload: bytes) -> tuple[Head, bytes]:
        """Analyse one picture.

        Raises:
            InvalidMedia, UnsupportedMedia, TooManyPixels: see `decode_frame`.
        """
        loads = self._loads
        began = time.perf_counter()
        frame = self._decode(head, payload, AnalysisSize(*head["box"]))
        decoded = time.perf_counter()
        task = self._tasks[head["task"]]
        with self._model(head, task) as model:
            loaded = time.perf_counter()
            found = model.detect(frame.rgb, head.get("timestampMs"))
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
        frame: DecodedFrame,
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

    @property
    def _loads(self) -> int:
        return self._shelf.loads + self._trackers.loads

    @contextmanager
    def _model(self, head: Head, task: type[VisionTask]) -> Iterator[Model]:
        """Lend the stream's tracker if the call names one, else a shared model."""
        asset, params = Path(head["asset"]), task.Params(**head["params"])
        with ExitStack() as stack:
            with self._cage.allowance(None):
                if "tracker" in head:
                    model = self._trackers.get(head["tracker"], task, asset, params)
                else:
                    model = stack.enter_context(self._shelf.lease(task, asset, params))
            yield model

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
    ) -> DecodedFrame:
        """Decode within what was reserved for it: a picture that lies about its size in the header gets no more."""
        try:
            with self._cage.allowance(head["decodeBytes"] + _SLACK_BYTES):
                return decode_frame(payload, box, head["maxPixels"], resample)
        except MemoryError:
            raise InvalidMedia("The picture needs more memory than its header says.") from None


def build(options: dict[str, Any]) -> Engine:
    """Entry point of the vision worker; `options` is `{"slots"}`."""
    return Engine(options["slots"])
