"""Segments of videos, as clients ask for them: what is right about them, and what all of them are brought to."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from app.errors import InvalidParameter
from app.ffmpeg.abilities import Abilities
from app.ffmpeg.containers import PICTURES
from app.ffmpeg.parts import Look, check_size, fit
from app.ffmpeg.probe import VideoStream
from app.jobs.outputs.encoding import encoder_for
from app.jobs.params import JobParams
from app.jobs.source import Source

QUALITY = 72
"""A little better than usual: clips are cut again."""

_TOLD_IN_THE_STREAM = frozenset({"h264", "vp9", "av1"})
"""Codecs of which a second video's parameters go with its pictures: FFmpeg writes those of H.264 before its key frames,
the others have them there. For the rest, what stands before the first picture counts to the end."""

_SAME_RATE = 0.001
_SLACK_SECONDS = 0.05
"""An end may be so far behind the end of the video: players round."""

_LAST_SECONDS = 1.0
"""And so far behind its pictures, where the sound goes on: the last one stands for so long."""


class Segment(JobParams):
    start: float = Field(ge=0, description="Seconds from the beginning: the first frame at or after it is the first.")
    end: float = Field(gt=0, description="Seconds: the frame at this time is not shown any more.")
    input: str | None = Field(None, description="Media id; unset: the first input.")


def check_segment(place: int, segment: Segment, sources: Sequence[Source]) -> None:
    source = source_of(segment, sources)
    _ = source.video
    if segment.end <= segment.start:
        raise InvalidParameter(f"segments: number {place + 1} ends ({segment.end:g}) before it begins.")
    lasts = source.picture_seconds
    most = min(source.duration_seconds + _SLACK_SECONDS, lasts + _LAST_SECONDS)
    if segment.start >= lasts or segment.end > most:
        more = " without its sound" if lasts < source.duration_seconds else ""
        raise InvalidParameter(
            f"segments: number {place + 1} ends at {segment.end:g} s; the video lasts {lasts:g} s{more}.",
            durationSeconds=lasts,
        )


def source_of(segment: Segment, sources: Sequence[Source]) -> Source:
    if segment.input is None:
        return sources[0]
    found = next((source for source in sources if source.item.id == segment.input), None)
    if found is None:
        raise InvalidParameter(f"segments: {segment.input} is none of the job's inputs.")
    return found


def unique_seconds(used: Sequence[Source]) -> list[float]:
    return list({source.item.id: source.duration_seconds for source in used}.values())


def has_sound(sources: Sequence[Source]) -> bool:
    return any(source.audio is not None for source in sources)


def look_of(sources: Sequence[Source], used: Sequence[Source], abilities: Abilities) -> Look:
    """Return what the pictures are like: as the first input's; others get bars where their ratio is another."""
    width, height = fit(sources[0].video.width, sources[0].video.height, None)
    check_size(width, height)
    sizes = {(source.video.width, source.video.height) for source in (sources[0], *used)}
    return Look(encoder_for("h264", abilities), width, height, QUALITY, boxed=len(sizes) > 1)


def common_rate(used: Sequence[Source]) -> float | None:
    """Return the rate of the first, where the videos have different ones: then all have that; None: frames keep their
    times."""
    rates = [source.video.frame_rate or 0.0 for source in used]
    if max(rates) - min(rates) <= max(rates) * _SAME_RATE:
        return None
    return next((rate for rate in rates if rate), None)


def check_copy(used: Sequence[Source]) -> None:
    """Refuse videos whose pictures no decoder would show one after the other, as they are.

    Raises:
        InvalidParameter: MP4 does not take them, or they are not alike.
    """
    first = used[0].video
    if first.codec not in PICTURES["mp4"]:
        raise InvalidParameter(f"accuracy: {first.codec} pictures cannot be copied into MP4; use exact.")
    for source in used:
        if _likeness(source.video) != _likeness(first):
            raise InvalidParameter(
                "accuracy: these videos are not alike, so their pictures cannot be copied; use exact."
            )


def _likeness(video: VideoStream) -> tuple[object, ...]:
    parameters = None if video.codec in _TOLD_IN_THE_STREAM else video.parameters
    return video.codec, video.coded_width, video.coded_height, video.rotation, video.pixel_format, parameters
