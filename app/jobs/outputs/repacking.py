"""A video in another container: its pictures as they are, its sound as it is or encoded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from app.domain.units import MIB
from app.ffmpeg import sound
from app.ffmpeg.joining import MediaSize, copy_work
from app.ffmpeg.parts import slack
from app.ffmpeg.works import Expectation, Work
from app.jobs.frames.frame_list import list_frames
from app.jobs.outputs.encoding import check_file, result_name
from app.jobs.plan import Json
from app.jobs.source import Source
from app.jobs.workshop import Workshop


@dataclass(frozen=True, slots=True)
class Packing:
    """`container`: one of `containers.PICTURES`. `sound_codec`: one of `sound.CODECS`, `copy` or `none`."""

    container: str
    sound_codec: str

    @property
    def content_type(self) -> str:
        return f"video/{self.container}"

    def sound_bytes(self, source: Source) -> int:
        """Return what the sound takes on the disk, and some; what is copied takes no more than its file."""
        if source.audio is None:
            return 0
        if self.sound_codec == "copy":
            return source.item.size_bytes
        return sound.encoded_bytes(source.duration_seconds, source.audio.channels or 2)

    def sound_options(self, source: Source) -> list[str]:
        if source.audio is None or self.sound_codec == "none":
            return ["-an"]
        if self.sound_codec == "copy":
            return ["-map", "0:a:0", "-c:a", "copy"]
        return ["-map", "0:a:0", *sound.encoder_options(self.sound_codec, source.audio.channels or 2)]


def repack_work(packing: Packing, source: Source, path: Path, target: Path, frames: int) -> Work:
    """Return the run that copies the pictures, so many, to `target`."""
    encoded_bytes = 0 if packing.sound_codec == "copy" else packing.sound_bytes(source)
    return copy_work(
        (path, source.item.content_type),
        target,
        packing.container,
        packing.sound_options(source),
        Expectation(frames=frames, frames_slack=slack(source.video, frames) + 2),
        MediaSize(source.duration_seconds, source.item.size_bytes * 11 // 10 + encoded_bytes + MIB),
    )


async def repack(packing: Packing, source: Source, path: Path, shop: Workshop) -> Json:
    """Copy the pictures, look at the result from the outside, and keep it.

    Raises:
        BallastError: see `FFmpegWorks`, `check_file`.
    """
    listed = await list_frames(shop, source, path)
    target = shop.file(f"copied.{packing.container}")
    work = repack_work(packing, source, path, target, len(listed.times) + listed.hidden)
    await shop.ffmpeg.run(work, shop.progress)
    spare = work.expect.frames_slack + (listed.hidden if packing.container == "webm" else 0)  # it has no edit lists
    found = await check_file(target, packing.content_type, Expectation(len(listed.times), spare), shop)
    await shop.keep(target, result_name(source, packing.container), packing.content_type)
    return found
