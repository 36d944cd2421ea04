"""Sheets of small pictures, as runs of ffmpeg: of pictures that were taken before, or of a whole video in one pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path

from app.ffmpeg.predictor import picture_bytes
from app.ffmpeg.probe import DEMUXERS, VideoStream
from app.ffmpeg.runner import guarded_input
from app.ffmpeg.sheets import Cue, Grid, grid_of
from app.ffmpeg.shown import shown_each
from app.ffmpeg.stills import StillFormat, most_still_bytes, still_bytes
from app.ffmpeg.works import Expectation, Work
from app.jobs.outputs.still_taking import Look, look_of, pattern
from app.jobs.source import Source

_MOST_PIXELS = 8_000_000
"""Of one sheet."""

_TILES, _WIDTH = 100, 160
_MOST_SHEETS = 10
"""Ten sheets of 10 x 10 tiles: 1000 pictures, one each 3.6 s of an hour."""


@dataclass(frozen=True, slots=True)
class ContactSheet:
    """All pictures of a job on one sheet."""

    grid: Grid
    format: StillFormat
    count: int
    cost_bytes: int

    @classmethod
    def of(cls, count: int, look: Look) -> ContactSheet:
        grid = grid_of(count, (look.width, look.height), _MOST_PIXELS)
        cost = still_bytes(picture_bytes(look.width, look.height), grid.pixels, look.format)
        return cls(grid, look.format, count, cost)

    def work(self, folder: Path, target: Path) -> Work:
        """Return the run that makes it of the numbered pictures in a folder: our own, as `StillTaker` writes them."""
        return Work(
            arguments=[
                *("-filter_threads", "1", "-threads", "1", "-protocol_whitelist", "file,pipe", "-f", "image2"),
                *("-framerate", "25", "-start_number", "1", "-i", f"file:{pattern(folder, self.format)}"),
                *("-vf", f"{self.grid.scale()},{self.grid.tile()}", "-frames:v", "1", *self.format.arguments()),
                *("-f", "image2pipe", f"file:{target.absolute()}"),
            ],
            cost_bytes=self.cost_bytes,
            threads=2,
            reads=(folder,),
            writes=(target,),
            file_bytes=most_still_bytes(self.grid.pixels),
            seconds=self.count / 25,
        )


@dataclass(frozen=True, slots=True)
class Sprite:
    """`count` tiles, one each `step` seconds, on as many sheets as they need."""

    grid: Grid
    format: StillFormat
    count: int
    step: float

    @property
    def sheets(self) -> int:
        return ceil(self.count / self.grid.tiles)

    @classmethod
    def of(cls, video: VideoStream, duration: float, interval: float | None, chosen: StillFormat) -> Sprite:
        """Return the sprite of a video: 100 tiles, or one each `interval`; never more than 1000."""
        wanted = interval or max(1.0, duration / _TILES)
        step = max(10, ceil(1000 * max(wanted, duration / (_TILES * _MOST_SHEETS)))) / 1000
        count = max(1, ceil(round(duration / step, 6)))
        tile = look_of(video, _WIDTH, chosen)
        return cls(grid_of(min(count, _TILES), (tile.width, tile.height), _MOST_PIXELS), chosen, count, step)

    def cost_bytes(self, video: VideoStream) -> int:
        picture = picture_bytes(video.coded_width, video.coded_height, deep=video.is_deep)
        return still_bytes(picture, self.grid.pixels, self.format)

    def is_dense(self, keyframes: Sequence[float], duration: float) -> bool:
        """Whether there are key frames enough to show only them: 15 times as fast as to decode everything."""
        ends = [*keyframes[1:], duration]
        gaps = (end - start for start, end in zip(keyframes, ends, strict=True))
        return bool(keyframes) and max(gaps) <= 1.5 * self.step

    def cues(self, duration: float) -> list[Cue]:
        return [
            Cue(number * self.step, min(duration, (number + 1) * self.step), number) for number in range(self.count)
        ]

    def work(self, source: Source, path: Path, folder: Path, only_keyframes: bool) -> Work:
        """Return the run that writes the numbered sheets; each tile shows what is shown at the beginning of its cue.

        Where the video ends before its sound, or its last key frame is long before the end, the last one is repeated.
        """
        demuxer = DEMUXERS[source.item.content_type]
        skip = ("-skip_frame", "nokey") if only_keyframes else ()
        filters = (
            f"{shown_each(self.step)},{self.grid.scale()},"
            f"tpad=stop={self.count}:stop_mode=clone,trim=end_frame={self.count},{self.grid.tile()}"
        )
        return Work(
            arguments=[
                *("-filter_threads", "1", "-threads", "1", *skip, *guarded_input(path, demuxer)),
                *("-map", "0:V:0", "-an", "-sn", "-dn", "-vf", filters, "-fps_mode", "passthrough"),
                *("-frames:v", str(self.sheets)),
                *(*self.format.arguments(), "-f", "image2", "-start_number", "1"),
                f"file:{pattern(folder, self.format)}",
            ],
            cost_bytes=self.cost_bytes(source.video),
            threads=2,
            reads=(path,),
            writes=(folder,),
            file_bytes=most_still_bytes(self.grid.pixels),
            seconds=self.count * self.step,
            expect=Expectation(frames=self.sheets),
        )
