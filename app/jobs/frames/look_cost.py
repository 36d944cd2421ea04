"""What a step takes that looks at frames: ffmpeg, the child that looks, and the zygote that it is forked from."""

from __future__ import annotations

from app.domain.units import MIB
from app.errors import MemoryExceedsLimit
from app.ffmpeg.probe import VideoStream
from app.ffmpeg.running import MARGIN
from app.jobs.frames.sampling import frames_bytes
from app.vision.room import ZYGOTE_BYTES
from app.vision.task import VisionTask

CALL_BYTES = 8 * MIB
"""What a call takes beside its model at the usual analysis size (640 x 480: 7 MiB)."""

_SHARE = 2 / 3
"""Of the limit: where two threads of the decoder would make more of it, there is one. Of 1080p that saves 8 MiB, which
are missed where a stream has its model, too."""


def look_bytes(video: VideoStream, size: tuple[int, int], threads: int, model: VisionTask | type[VisionTask]) -> int:
    """Return what looking at frames of this size (width, height) takes, but for the calls of the child."""
    child_bytes = max(model.model_bytes, model.tracker_bytes) + ZYGOTE_BYTES
    return int(frames_bytes(video, size, threads) * MARGIN) + child_bytes


def decoder_threads(two_bytes: int, limit_bytes: int) -> int:
    """Return how many threads decode, if a step with two takes so much."""
    return 2 if two_bytes <= limit_bytes * _SHARE else 1


def check_fits(needed_bytes: int, limit_bytes: int) -> None:
    """Refuse what can never be.

    Raises:
        MemoryExceedsLimit: it needs more than the limit; with both numbers.
    """
    if needed_bytes > limit_bytes:
        raise MemoryExceedsLimit(
            f"Looking at the video needs {needed_bytes} bytes, and {limit_bytes} can ever be given.",
            neededBytes=needed_bytes,
            limitBytes=limit_bytes,
        )
