"""Frames of videos through the vision children: raw, out of FFmpeg's pipe, so that this process never has one.

A call takes a second of video at most, and no longer than `_SHARED_SECONDS` where others share the child, so that a
live stream or a picture waits no longer for its turn than it does for a few other pictures.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from app.domain.analysis_size import AnalysisSize
from app.errors import InvalidMedia, Overloaded
from app.memory.governor import Governor
from app.settings import VisionSettings
from app.vision.frame_calls import FrameCall, FrameCalls
from app.vision.frame_request import FrameRequest, LookedFrames
from app.vision.lease import Lease
from app.vision.model_key import ModelKey
from app.vision.task import VisionTask
from app.vision.vision import Vision
from app.workers.pool import NoWorker
from app.workers.reply import Reply

_SHARED_SECONDS = 0.25
"""How long a call goes on taking frames in a child that others use too."""

_OWN_SECONDS = 1.0
"""The same in a tracker of its own: a job that is cancelled waits no longer."""


class FrameLooks:
    """Has children look at frames."""

    def __init__(self, vision: Vision, governor: Governor, settings: VisionSettings) -> None:
        self.vision = vision
        self._calls = FrameCalls(vision, governor, settings.deadline_seconds)
        self._settings = settings

    @property
    def box(self) -> AnalysisSize:
        """The size in which frames are looked at: that of the settings, in every mode, so that a job that is done again
        finds the same."""
        return AnalysisSize(self._settings.max_width, self._settings.max_height)

    def check(self, look: tuple[type[VisionTask], Any]) -> None:
        """See that the model of a task with these parameters is here.

        Raises:
            ModelMissing: its bundle is not installed.
        """
        self._key(*look)

    @asynccontextmanager
    async def open(self, request: FrameRequest) -> AsyncIterator[FrameLook]:
        """Give a look at one stretch for the block. A tracker is there then, and is gone afterwards.

        Raises:
            ModelMissing: its bundle is not installed.
            Overloaded, MemoryExceedsLimit: there is no memory for it now, or ever.
            WorkerFailed: a child could not be started.
        """
        models, key = self.vision.models, self._key(request.task, request.params)
        if not request.tracked:
            yield FrameLook(self._calls, request, key)
            return
        own = self.vision.trackers.next_key(key)
        try:
            async with self._calls.lend(own, request) as lease:
                yield FrameLook(self._calls, request, own, lease)
        finally:
            await models.drop(models.find(own))

    def _key(self, task: type[VisionTask], params: Any) -> ModelKey:
        return self.vision.key(task, self.vision.resolve_fully(task, params))


@dataclass(slots=True)
class FrameLook:
    """One stretch of a video, looked at from its first frame to its last; `lease` is that of a tracker of its own."""

    calls: FrameCalls
    request: FrameRequest
    key: ModelKey
    lease: Lease | None = None
    _faces: dict[str, Any] = field(default_factory=dict)

    async def over(self, descriptor: int, times: Sequence[float], most_missing: int = 0) -> AsyncIterator[LookedFrames]:
        """Look at the frames that come out of the reading end of a pipe, shown at `times` (seconds, rising).

        Raises:
            InvalidMedia: it ends before so many frames have come, but for `most_missing`.
            BallastError: see `FrameCalls.call`.
        """
        times_ms = milliseconds(times)
        done, ended = 0, False
        while done < len(times) and not ended:
            await _readable(descriptor)
            most = _second_of(times, done)
            stretch = self._stretch(done, times_ms[done : done + most])
            reply = await self._take(FrameCall(descriptor, done, most, stretch))
            ended, self._faces = bool(reply.head.get("ended")), reply.head.get("follow", {})
            lines = reply.payload.split(b"\n")[:-1]
            done += len(lines)
            if lines:
                yield LookedFrames(lines, reply.head["tally"])
        if not ended:
            await _readable(descriptor)  # the other end is about to say whether all went well
        if done < len(times) - most_missing:
            raise InvalidMedia(
                f"Of {len(times)} frames that the video should have here only {done} could be read.",
                expectedFrames=len(times),
                frames=done,
            )

    def _stretch(self, done: int, times_ms: list[int]) -> dict[str, object]:
        """Return what is the same for the child, however often the call is made (`segment.Stretch`)."""
        request = self.request
        follow: dict[str, Any] | None = None
        if request.follow_every is not None:
            known, lost = self._faces.get("known", []), self._faces.get("lost", 0)
            follow = {"every": request.follow_every, "number": done, "known": known, "lost": lost}
        return {
            "width": request.width,
            "height": request.height,
            "seconds": _SHARED_SECONDS if self.lease is None else _OWN_SECONDS,
            "times_ms": None if self.lease is None else times_ms,
            "follow": follow,
        }

    async def _take(self, call: FrameCall) -> Reply:
        if self.lease is not None:
            try:
                return await self.calls.call(self.lease, self.key, self.request, call)
            except NoWorker as error:  # what it had seen is lost with it
                raise Overloaded("The tracker had to give way.", retry_after_seconds=1) from error
        while True:
            async with self.calls.lend(self.key, self.request) as lease:
                try:
                    return await self.calls.call(lease, self.key, self.request, call)
                except NoWorker:  # it left between the lease and the call: no frame was taken
                    continue


def milliseconds(times: Sequence[float]) -> list[int]:
    """Return timestamps for MediaPipe, which refuses one that does not rise."""
    found: list[int] = []
    for seconds in times:
        found.append(max(found[-1] + 1 if found else 0, round(seconds * 1000)))
    return found


def _second_of(times: Sequence[float], first: int) -> int:
    """Return how many frames from `first` on are shown within a second; at least one."""
    count = 1
    while first + count < len(times) and times[first + count] < times[first] + 1:
        count += 1
    return count


async def _readable(descriptor: int) -> None:
    """Wait until there is something to read, or the end: so that no child waits for FFmpeg."""
    loop = asyncio.get_running_loop()
    there = asyncio.Event()
    loop.add_reader(descriptor, there.set)
    try:
        await there.wait()
    finally:
        loop.remove_reader(descriptor)
