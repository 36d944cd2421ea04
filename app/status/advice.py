"""How a piece of work would be done at the present pressure."""

from __future__ import annotations

from dataclasses import dataclass

from app.domain.analysis_size import AnalysisSize
from app.domain.pressure import ModePolicy
from app.domain.units import MIB
from app.memory.governor import Governor
from app.vision.analysis import Analysis

_BYTES_PER_PIXEL = 3
_SMALLEST_CHUNK, _LARGEST_CHUNK = 1 * MIB, 64 * MIB


@dataclass(frozen=True, slots=True)
class Advice:
    """The configuration that would be used now. `chunk_bytes` is how much of a file should be handled at a time."""

    policy: ModePolicy
    fits: bool
    needed_bytes: int
    workers: int
    chunk_bytes: int
    analysis: AnalysisSize


class Advisor:
    """Answers from the last sample and the ledger."""

    def __init__(self, governor: Governor, analysis: Analysis, workers: int) -> None:
        self._governor = governor
        self._analysis = analysis
        self._workers = workers

    def advise(self, nbytes: int, width: int, height: int) -> Advice:
        """Return how a file of `nbytes` with pictures of `width` x `height` would be worked on.

        Needed are the decoded picture and one chunk of the file: no more than that is ever held.
        """
        budget, policy = self._governor.budget, self._governor.policy
        chunk_bytes = min(nbytes or _LARGEST_CHUNK, max(_SMALLEST_CHUNK, min(_LARGEST_CHUNK, budget.free_bytes // 8)))
        needed_bytes = width * height * _BYTES_PER_PIXEL + chunk_bytes
        return Advice(
            policy=policy,
            fits=needed_bytes <= budget.free_bytes,
            needed_bytes=needed_bytes,
            workers=max(1, int(self._workers * policy.worker_share)) if policy.serves_requests else 0,
            chunk_bytes=chunk_bytes,
            analysis=self._analysis.box(),
        )
