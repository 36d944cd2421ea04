"""The frames of a source as its container lists them, and whether those are all that there should be.

Most demuxers say that a file is cut off (`Complaints`). FLV and AVI keep what their head said, and say nothing.
"""

from __future__ import annotations

from pathlib import Path

from app.errors import InvalidMedia
from app.ffmpeg.packet_times import PacketTimes
from app.ffmpeg.predictor import COPY_BYTES, index_bytes
from app.ffmpeg.probe import DEMUXERS
from app.ffmpeg.runner import guarded_input
from app.ffmpeg.works import Work
from app.jobs.source import Source
from app.jobs.workshop import Workshop

_LEAST_SHARE, _SLACK_SECONDS, _SLACK_FRAMES = 0.98, 1.0, 1
"""How much there must be of what the container says."""

_LONGEST_GAP_SECONDS = 1.0

_SAYS_LENGTH = frozenset({"flv", "mov"})
"""Demuxers that tell a length which the head of the file says. Others measure it, or say that the end is missing."""


async def list_frames(shop: Workshop, source: Source, path: Path) -> PacketTimes:
    """List the frames of a video; nothing is decoded.

    Raises:
        InvalidMedia: it is broken, or shorter than its container says.
        BallastError: see `FFmpegWorks.frames`.
    """
    listed = await shop.ffmpeg.frames(path, source.item.content_type)
    if source.video.frames is not None:
        _check_count(source, listed, source.video.frames)
    elif DEMUXERS[source.item.content_type] in _SAYS_LENGTH:
        await _check_length(shop, source, path, shown_until(source, listed))
    return listed


def shown_until(source: Source, listed: PacketTimes) -> float:
    """Return until when the last frame is shown, in seconds: for as long as the one before it."""
    times = listed.times
    if len(times) > 1:
        return times[-1] + min(times[-1] - times[-2], _LONGEST_GAP_SECONDS)
    return times[-1] + 1.0 / (source.video.frame_rate or 25.0)


def _check_count(source: Source, listed: PacketTimes, known: int) -> None:
    """Raise where there are fewer frames than the index has, and they do not last as long.

    An edit list may leave frames out, and in an AVI a frame that is shown again has no packet: then they do.
    """
    found, seconds = len(listed.times) + listed.hidden, shown_until(source, listed) - listed.times[0]
    is_measured = DEMUXERS[source.item.content_type] == "avi"
    told = None if is_measured else source.video.duration_seconds
    length = known / (source.video.frame_rate or 25.0) if told is None else told
    if found < known * _LEAST_SHARE - _SLACK_FRAMES and seconds < length * _LEAST_SHARE:
        raise InvalidMedia(f"The video is cut off: there are {found} frames of {known}.")


async def _check_length(shop: Workshop, source: Source, path: Path, end: float) -> None:
    """Raise where neither pictures nor sound last until the end that the container says."""
    whole = source.duration_seconds
    least = whole * _LEAST_SHARE - _SLACK_SECONDS - _start(source)
    if end < least and (source.audio is None or await _sound_end(shop, source, path) < least):
        raise InvalidMedia(f"The video is cut off: there are {end:.1f} s of {whole:.1f}.")


def _start(source: Source) -> float:
    """Return when the file begins: FLV counts its length from 0 on."""
    return max(0.0, (source.probe and source.probe.start_seconds) or 0.0)


async def _sound_end(shop: Workshop, source: Source, path: Path) -> float:
    """Return until when there is sound: its packets are read, not decoded."""
    work = Work(
        arguments=[
            *("-threads", "1", *guarded_input(path, DEMUXERS[source.item.content_type])),
            *("-map", "0:a:0", "-vn", "-sn", "-dn", "-c", "copy", "-f", "null", "-"),
        ],
        cost_bytes=COPY_BYTES + index_bytes(source.duration_seconds, source.video.frame_rate),
        threads=1,
        reads=(path,),
        writes=(),
        file_bytes=0,
        seconds=source.duration_seconds,
    )
    return (await shop.ffmpeg.run(work)).seconds or 0.0
