"""One step of looking at a video: ffmpeg gives the frames, a child looks at them, lines go to a file."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.errors import WorkerFailed
from app.jobs.files import PartFile
from app.jobs.frames.frame_index import read_times
from app.jobs.frames.sampling import FrameTimes, Samples, Sampling, at_rate, every_so_many, frames_work, key_frames
from app.jobs.plan import Json
from app.jobs.workshop import Workshop
from app.vision.frame_looks import FrameLook
from app.vision.frame_request import FrameRequest, LookedFrames
from app.vision.tally import Tally
from app.vision.task import VisionTask


@dataclass(frozen=True, slots=True)
class Looking:
    """What is looked for, in which frames; `threads` are the decoder's."""

    task: type[VisionTask]
    params: Any
    sampling: Sampling
    threads: int = 2

    async def look(self, shop: Workshop, index: Json, span: tuple[float, float], path: Path) -> Json:
        """Look at the samples of a span; write a line for each to `path`; return the tally.

        A child that dies has its step done once more, from the beginning: what a tracker finds depends on what it saw.

        Raises:
            InvalidMedia: fewer frames could be read than there are.
            WorkerFailed: a child died twice.
            BallastError: see `FrameLooks.open` and `FFmpegWorks.sample`.
        """
        with suppress(WorkerFailed):
            return await self._look(shop, index, span, path)
        return await self._look(shop, index, span, path)

    async def _look(self, shop: Workshop, index: Json, span: tuple[float, float], path: Path) -> Json:
        source, tally = shop.sources[0], Tally()
        samples = self._samples(await read_times(shop, span), index, span, source.video.frame_rate or 25.0)
        async with shop.files.part(path) as file:
            if samples.times:
                request = self._request(shop)
                async with shop.frames.open(request) as look, shop.local(source) as local:
                    size = request.width, request.height
                    work = frames_work(local, source.item.content_type, source.video, samples, size, self.threads)
                    async with shop.ffmpeg.sample(work, *size) as sampled:
                        await _follow(shop, look, sampled.descriptor, samples, file, tally)
        return tally.as_dict()

    def _samples(self, known: FrameTimes, index: Json, span: tuple[float, float], frame_rate: float) -> Samples:
        last = span[0], min(span[1], index["end"])
        if last[1] <= last[0]:
            return Samples([], [])
        if self.sampling.mode == "rate":
            return at_rate(self.sampling, known, last, frame_rate)
        if self.sampling.mode == "every":
            return every_so_many(self.sampling, known, span, index["before"])
        return key_frames(known, span)

    def _request(self, shop: Workshop) -> FrameRequest:
        source = shop.sources[0]
        width, height = shop.frames.box.fit(source.video.width, source.video.height)
        return FrameRequest(
            self.task,
            self.params,
            width,
            height,
            shop.client,
            subject=source.item.id,
            tracked=bool(self.task.tracker_bytes) and self.sampling.is_tracked(source.video),
        )


async def _follow(
    shop: Workshop, look: FrameLook, descriptor: int, samples: Samples, file: PartFile, tally: Tally
) -> None:
    found: AsyncIterator[LookedFrames] = look.over(descriptor, samples.times, samples.most_missing)
    async with aclosing(found):  # type: ignore[type-var]  # a generator
        async for one in found:
            numbered = zip(samples.times[tally.frames :], samples.frames[tally.frames :], one.lines, strict=False)
            await file.write(b"".join(_line(*each) for each in numbered))
            tally.add(one.tally)
            await shop.progress(tally.frames / len(samples.times))


def _line(seconds: float, frame: int, detections: bytes) -> bytes:
    return b'{"timeSeconds":%s,"frame":%d,"detections":%s}\n' % (
        repr(seconds).encode(),
        frame,
        detections,
    )
