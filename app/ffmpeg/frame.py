"""One frame of a stored video as a picture: ffmpeg in a child, in the same cage as the probe."""

from __future__ import annotations

from pathlib import Path

from app.domain.units import KIB, MIB
from app.errors import InvalidMedia, MemoryExceedsLimit, StorageFull, TooManyPixels, UnsupportedMedia
from app.ffmpeg.complaints import Complaints, Starved
from app.ffmpeg.probe import DEMUXERS
from app.ffmpeg.runner import FFmpegRunner, Outcome, RunLimits, guarded_input
from app.ffmpeg.shown import Search
from app.memory.reservation import Reservation

MAX_FRAME_BYTES = 64 * MIB
"""Size of the largest picture that is written: 8K of noise at this quality has about half."""

_BASE_BYTES = 44 * MIB
_FRAMES, _DEEP_FRAMES = 16, 26
"""How many frames of 1.5 bytes a pixel decoding, scaling and encoding hold with one thread, of 8 and of 10 bits.

Measured with FFmpeg 5.1 (H.264 1080p 88 MB, 4K 188 MB; HEVC 1080p of 10 bits 114 MB); facts of decoding alone: 8.9.
"""

_DEADLINE_SECONDS = 20.0
"""Seeking decodes from the key frame before: ten seconds of 4K take about as long with one thread."""

# Square pixels, as players show it, and the size of the widest picture that the limit of pixels leaves room for.
_FILTER = "scale=max(1\\,round(iw*sar)):ih,setsar=1"


def frame_bytes(width: int, height: int, *, deep: bool = False) -> int:
    """Return what taking one frame of a video of this size takes; `deep`: its samples have more than 8 bits."""
    return _BASE_BYTES + (_DEEP_FRAMES if deep else _FRAMES) * width * height * 3 // 2


class FrameGrabber:
    """Asks ffmpeg."""

    def __init__(self, ffmpeg: Path, runner: FFmpegRunner) -> None:
        self._ffmpeg = ffmpeg
        self._runner = runner

    async def grab(self, video: Path, content_type: str, search: Search, target: Path, holder: Reservation) -> None:
        """Write the frame that is searched for to `target`, which is there and empty, as a JPEG.

        It is upright and has square pixels. `target` stays empty where nothing is found. The caller has reserved
        `frame_bytes` in `holder`: ffmpeg is held to that.

        Raises:
            UnsupportedMedia: files of this type have no frames.
            InvalidMedia: the video is broken.
            TooManyPixels: its frames have more than `MAX_PIXELS`.
            MemoryExceedsLimit: it takes more than was reserved.
            StorageFull: the frame does not fit into its file.
            ProcessingTimeout, WorkerFailed: see `FFmpegRunner.run`.
        """
        demuxer = DEMUXERS.get(content_type)
        if demuxer is None:
            raise UnsupportedMedia("Only videos have frames.")
        limits = RunLimits(
            data_bytes=holder.reserved_bytes,
            deadline_seconds=_DEADLINE_SECONDS,
            output_bytes=64 * KIB,
            file_bytes=MAX_FRAME_BYTES,
            reads=(video,),
            writes=(target,),
        )
        outcome = await self._runner.run(self._ffmpeg, _arguments(video, demuxer, search, target), limits, holder)
        _check(outcome, holder.reserved_bytes)


def _arguments(video: Path, demuxer: str, search: Search, target: Path) -> list[str]:
    return [
        *("-hide_banner", "-nostdin", "-v", "error", "-y", "-filter_threads", "1", "-threads", "1"),
        *(*search.options, *guarded_input(video, demuxer)),
        *("-map", "0:V:0", "-an", "-sn", "-dn", "-frames:v", "1", "-vf", f"{search.filters},{_FILTER}"),
        *("-fps_mode", "passthrough"),
        *("-c:v", "mjpeg", "-threads", "1", "-q:v", "1", "-pix_fmt", "yuvj420p", "-map_metadata", "-1"),
        *("-f", "image2pipe", f"file:{target.absolute()}"),
    ]


def _check(outcome: Outcome, limit_bytes: int) -> None:
    complaints = Complaints()
    complaints.feed(outcome.stderr.encode())
    problem = complaints.error(outcome.exit_code)
    if isinstance(problem, Starved):
        raise MemoryExceedsLimit(
            f"Taking a frame of this video needs more than {limit_bytes} bytes.", limitBytes=limit_bytes
        )
    if isinstance(problem, TooManyPixels | StorageFull):
        raise problem
    if outcome.exit_code:
        raise InvalidMedia("The video is broken at this time, or has no picture.")
