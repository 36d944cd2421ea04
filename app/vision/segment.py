"""A stretch of a video in a vision child: frames that come raw through a pipe, a second of them a call at most."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

from app.domain.landmarks import Detection
from app.vision.frame_pipe import FramePipe, FrameSize
from app.vision.head import head_of
from app.vision.same_face import distinct
from app.vision.tally import Tally
from app.vision.task import Model, VisionTask
from app.workers.channel import Head

_NEXT_SECONDS = 0.02
"""How long a call waits for its next frame before it answers with those it has: others may wait for the child."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """What a call asks for (`"frames"` in its head): `most` frames of this size, as many as come within `seconds`.

    `times_ms` are their timestamps where a tracker looks at them, and rise. `bytes` is what the call may grow by.
    `follow` is there where heads are followed (`Following`).
    """

    width: int
    height: int
    most: int
    seconds: float
    bytes: int
    times_ms: list[int] | None = None
    follow: dict[str, Any] | None = None

    @property
    def size(self) -> FrameSize:
        return FrameSize(self.width, self.height)


class Segment:
    """Looks at frames, and answers a line of JSON for each: its detections, or the heads in it.

    The head of the answer has `frames` (how many it saw), `ended` (the pipe has no more), `tally`, `known` (faces to
    look for next) and `inferenceSeconds`.
    """

    def __init__(self, model: Model, task: type[VisionTask], stretch: Stretch) -> None:
        self._model = model
        self._task = task
        self._stretch = stretch
        self._following = Following(model, task, **stretch.follow) if stretch.follow is not None else None

    def look(self, descriptor: int) -> tuple[Head, bytes]:
        """Look at what comes out of a pipe.

        Raises:
            InvalidMedia, ProcessingTimeout: see `FramePipe.next`.
        """
        stretch, pipe = self._stretch, FramePipe(descriptor, self._stretch.size)
        tally, lines, ended, seconds = Tally(), bytearray(), False, 0.0
        while tally.frames < stretch.most:
            if tally.frames and (seconds >= stretch.seconds or not pipe.has_more(_NEXT_SECONDS)):
                break
            if not pipe.next():
                ended = True
                break
            began = time.perf_counter()
            found: list[Any] = self._found(pipe, tally)
            seconds += time.perf_counter() - began
            lines += json.dumps(found, separators=(",", ":")).encode() + b"\n"
        head: Head = {"frames": tally.frames, "ended": ended, "tally": tally.as_dict()}
        head |= {"known": self._following.known if self._following is not None else []}
        return {**head, "inferenceSeconds": round(seconds, 6)}, bytes(lines)

    def _found(self, pipe: FramePipe, tally: Tally) -> list[Any]:
        if self._following is not None:
            heads = self._following.look(Image.fromarray(pipe.rgb))
            tally.count_many(len(heads))
            return heads
        number, times = tally.frames, self._stretch.times_ms
        found = self._model.detect(pipe.rgb, None if times is None else times[number])
        detections = self._task.narrow(found.detections)
        tally.count(detections)
        return detections


@dataclass(slots=True)
class Following:
    """Heads from frame to frame: all of every `every`-th frame is searched, in the others a close look is taken at
    where faces were. `number` is that of the next frame, `known` are the faces of those before."""

    model: Model
    task: type[VisionTask]
    every: int
    number: int
    known: list[Detection] = field(default_factory=list)

    def look(self, image: Image.Image) -> list[list[float]]:
        """Return left, top, width and height of each head of an RGB picture, in shares of its sides."""
        again = self.task.find_again(self.model, image, self.known)
        present = [face for face in again if face is not None]
        if self.number % self.every == 0:
            present = self.known = distinct([*present, *self.task.search(self.model, image)])
        else:  # a face that is lost may be back before the next search
            self.known = [new or old for new, old in zip(again, self.known, strict=True)]
            present = distinct(present)
        self.number += 1
        heads = (head_of(face, *image.size) for face in present)
        return [[round(side, 5) for side in (head.x, head.y, head.width, head.height)] for head in heads]
