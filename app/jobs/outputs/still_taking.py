"""Pictures taken of a video: the ways there are, as steps of jobs use them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from app.errors import InvalidMedia
from app.ffmpeg.predictor import picture_bytes
from app.ffmpeg.probe import DEMUXERS, VideoStream
from app.ffmpeg.runner import guarded_input
from app.ffmpeg.shown import ROUNDING_SECONDS, searches, shown_each
from app.ffmpeg.stills import StillFormat, most_still_bytes, still_bytes
from app.ffmpeg.works import Work
from app.jobs.frames.moments import Moments
from app.jobs.source import Source
from app.jobs.workshop import Workshop

PATTERN = "%05d"
"""How pictures of a run are numbered, from 1."""


@dataclass(frozen=True, slots=True)
class Look:
    """How the pictures are to look: their size in pixels, and their format."""

    width: int
    height: int
    format: StillFormat

    @property
    def pixels(self) -> int:
        return self.width * self.height

    def filters(self) -> str:
        """Upright (ffmpeg turns them by itself), in square pixels."""
        return f"scale={self.width}:{self.height}:flags=area,setsar=1"

    def cost_bytes(self, video: VideoStream) -> int:
        picture = picture_bytes(video.coded_width, video.coded_height, deep=video.is_deep)
        return still_bytes(picture, self.pixels, self.format)


def look_of(video: VideoStream, width: int, chosen: StillFormat) -> Look:
    """Return the look of pictures of a video that are `width` wide, or as wide as it is: never enlarged."""
    wide = min(width, video.width)
    return Look(wide, max(1, round(wide * video.height / video.width)), chosen)


class StillTaker:
    """Takes pictures of one source into a folder of the job's, as `00001.jpg` and so on, by their place in the list."""

    def __init__(self, shop: Workshop, source: Source, path: Path, look: Look) -> None:
        self._shop = shop
        self._source = source
        self._path = path
        self._look = look
        self.peak_bytes = 0

    async def seek(self, at: float, target: Path) -> None:
        """Take the picture that is shown at a time.

        Raises:
            InvalidMedia: there is none, not even before.
            BallastError: see `FFmpegWorks`.
        """
        content_type = self._source.item.content_type
        if not await self._seek(at, target):
            # Nothing was found by the way that is usual: the list of the frames tells which is shown then.
            times = await self._shop.ffmpeg.timestamps(self._path, content_type)
            place = bisect_right(times, at + ROUNDING_SECONDS)
            if not place or not await self._seek(times[place - 1], target):
                raise InvalidMedia(f"The video has no picture at {at:g} seconds.")

    async def sweep(self, moments: Moments, folder: Path) -> None:
        """Take pictures at regular times in one pass; those at the very end are looked for by themselves."""
        assert moments.step is not None
        count = len(moments.times)
        filters = f"{shown_each(moments.step, moments.times[0])},{self._look.filters()}"
        arguments = [
            *self._input(()),
            *("-vf", filters, "-fps_mode", "passthrough", "-frames:v", str(count)),
            *(*self._look.format.arguments(), "-f", "image2", "-start_number", "1"),
            *(f"file:{pattern(folder, self._look.format)}",),
        ]
        seconds = count * moments.step
        report = await self._shop.ffmpeg.run(self._work(arguments, folder, seconds), self._shop.progress)
        self.peak_bytes = max(self.peak_bytes, report.peak_bytes)
        for number, at in enumerate(moments.times, 1):
            target = numbered(folder, number, self._look.format)
            if not await self._shop.files.exists(target):
                await self.seek(at, target)

    async def _seek(self, at: float, target: Path) -> bool:
        for search in searches(self._source.item.content_type, at, self._source.duration_seconds):
            arguments = [
                *(*self._input(search.options), "-vf", f"{search.filters},{self._look.filters()}"),
                *("-fps_mode", "passthrough", "-frames:v", "1"),
                *(*self._look.format.arguments(), "-f", "image2pipe", f"file:{target}"),
            ]
            report = await self._shop.ffmpeg.run(self._work(arguments, target, 0.0))
            self.peak_bytes = max(self.peak_bytes, report.peak_bytes)
            if (await self._shop.files.run(target.stat)).st_size:
                return True
        return False

    def _input(self, options: Sequence[str]) -> Sequence[str]:
        demuxer = DEMUXERS[self._source.item.content_type]
        return (
            *("-filter_threads", "1", "-threads", "1", *options, *guarded_input(self._path, demuxer)),
            *("-map", "0:V:0", "-an", "-sn", "-dn"),
        )

    def _work(self, arguments: Sequence[str], target: Path, seconds: float) -> Work:
        return Work(
            arguments=arguments,
            cost_bytes=self._look.cost_bytes(self._source.video),
            threads=2,
            reads=(self._path,),
            writes=(target,),
            file_bytes=most_still_bytes(self._look.pixels),
            seconds=seconds,
        )


def pattern(folder: Path, chosen: StillFormat) -> str:
    """Return FFmpeg's name for the numbered pictures in a folder: in the folder's own name no `%` counts."""
    return f"{str(folder.absolute()).replace('%', '%%')}/{PATTERN}{chosen.extension}"


def numbered(folder: Path, number: int, chosen: StillFormat) -> Path:
    """Return the picture of this number, from 1."""
    return folder / f"{number:05d}{chosen.extension}"
