"""How a piece of work would be done at the present pressure."""

from __future__ import annotations

from app.domain.units import MIB
from app.memory.governor import Governor
from app.status.schema import AdviceSchema
from app.vision.analysis import Analysis

_BYTES_PER_PIXEL = 3
_SMALLEST_CHUNK, _LARGEST_CHUNK = 1 * MIB, 64 * MIB


class Advisor:
    """Answers from the last sample and the ledger."""

    def __init__(self, governor: Governor, analysis: Analysis, workers: int) -> None:
        self._governor = governor
        self._analysis = analysis
        self._workers = workers

    def advise(self, nbytes: int, width: int, height: int) -> AdviceSchema:
        """Return how a file of `nbytes` with pictures of `width` x `height` would be worked on.

        Needed are the decoded picture and one chunk of the file: no more than that is ever held.
        """
        budget, policy = self._governor.budget, self._governor.policy
        chunk_bytes = min(nbytes or _LARGEST_CHUNK, max(_SMALLEST_CHUNK, min(_LARGEST_CHUNK, budget.free_bytes // 8)))
        needed_bytes = width * height * _BYTES_PER_PIXEL + chunk_bytes
        box = self._analysis.box()
        return AdviceSchema(
            level=self._governor.level.name,
            mode=policy.mode,
            fits=needed_bytes <= budget.free_bytes,
            needed_bytes=needed_bytes,
            free_bytes=max(0, budget.free_bytes),
            largest_grant_bytes=budget.limit_bytes,
            workers=max(1, int(self._workers * policy.worker_share)) if policy.serves_requests else 0,
            chunk_bytes=chunk_bytes,
            analysis_width=box.width,
            analysis_height=box.height,
            frame_stride=policy.frame_stride,
            ffmpeg_profile=policy.ffmpeg_profile,
        )
